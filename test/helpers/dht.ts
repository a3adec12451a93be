import type HyperDHT from "@hyperswarm/dht";
import type { Address } from "@hyperswarm/dht";
import { createNode, type NodeOptions } from "../../src/swarm/node.ts";

/** A private HyperDHT, on 127.0.0.1 unless another address is asked for. */
export interface LoopbackDht {
  /** What to pass as `bootstrap`. */
  readonly bootstrap: readonly Address[];
  /** The routing nodes, all of them able to store records. */
  readonly nodes: readonly HyperDHT[];
  /** An ephemeral, reachable node that has joined; destroyed with the rest. */
  createNode(options?: Partial<NodeOptions>): Promise<HyperDHT>;
  /** Destroys every node, those of `createNode` first. Safe to call twice. */
  destroy(): Promise<void>;
}

const HOST = "127.0.0.1";

/**
 * Starts a network of `size` routing nodes of ours on 127.0.0.1, ports chosen by the system, and resolves
 * when all have joined. The caller must `destroy()` it. `join` adds to an existing network instead.
 */
export async function createLoopbackDht(
  size: number,
  { join = [], host = HOST }: { readonly join?: readonly Address[]; readonly host?: string } = {},
): Promise<LoopbackDht> {
  const bootstrap: Address[] = [...join];
  const nodes: HyperDHT[] = [];
  const guests: HyperDHT[] = [];

  async function start(list: HyperDHT[], options: Partial<NodeOptions>): Promise<HyperDHT> {
    const node = await createNode({ bootstrap, host, firewalled: false, ...options });
    list.push(node);
    await node.fullyBootstrapped();
    return node;
  }

  async function destroy(): Promise<void> {
    for (const node of [...guests.splice(0), ...nodes.splice(0).reverse()]) await node.destroy();
  }

  try {
    while (nodes.length < size) {
      const node = await start(nodes, { ephemeral: false });
      const address = node.address();
      if (bootstrap.length === 0 && address !== null) {
        bootstrap.push({ host, port: address.port });
      }
    }
  } catch (cause) {
    await destroy();
    throw cause;
  }
  return {
    bootstrap,
    nodes,
    createNode: (options = {}) => start(guests, { ephemeral: true, ...options }),
    destroy,
  };
}
