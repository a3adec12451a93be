import type HyperDHT from "@hyperswarm/dht";
import { isLoopback } from "./host-counts.ts";
import { createNode } from "./node.ts";

export interface BootstrapNodeOptions {
  /** The IPv4 address to bind and to be reached at; not a wildcard. */
  readonly host: string;
  /** UDP port; 0: any. */
  readonly port: number;
}

/** What dht-rpc keeps to itself: where it learns its own address from (its static `bootstrapper` does this). */
interface OwnAddress {
  _natAdd(host: string, port: number): void;
  _updateNetworkState(): Promise<boolean>;
}

/**
 * Starts the first node of a network: one that others bootstrap from and that stores records from the
 * start, alone if need be. A node learns its address, and with it its id, from what others see; the
 * first one has nobody to ask and is told here. The caller must `destroy()` it.
 * @throws the transport's error with `code` EADDRINUSE or EADDRNOTAVAIL when it cannot bind.
 */
export async function createBootstrapNode(options: BootstrapNodeOptions): Promise<HyperDHT> {
  const { host } = options;
  const node = await createNode({ ...options, bootstrap: [], ephemeral: false, firewalled: false });
  await node.fullyBootstrapped();
  const port = node.address()?.port ?? options.port;
  const own = node as unknown as OwnAddress;
  own._natAdd(host, port);
  await own._updateNetworkState();
  return node;
}

/**
 * Nodes beside the first that a copy behind a router needs: it learns which port the router gives it by asking three
 * nodes at different addresses (hyperdht lib/nat.js), and without knowing it punches no hole.
 */
const COMPANIONS = 3;

/**
 * A network that copies on other machines can meet in: the node at `port` and three more, at the ports after it.
 * On loopback, where nobody is behind a router, one is enough. The caller must `destroy()` all, the first last.
 * @throws the transport's error with `code` EADDRINUSE or EADDRNOTAVAIL when one cannot bind.
 */
export async function createBootstrapNodes(
  options: BootstrapNodeOptions,
): Promise<readonly [HyperDHT, ...HyperDHT[]]> {
  const { host } = options;
  const first = await createBootstrapNode(options);
  const nodes: [HyperDHT, ...HyperDHT[]] = [first];
  if (isLoopback(host)) return nodes;
  const port = first.address()?.port ?? options.port;
  try {
    for (let number = 1; number <= COMPANIONS; number++) {
      const node = await createNode({
        bootstrap: [{ host, port }],
        host,
        port: options.port === 0 ? 0 : port + number,
        ephemeral: false,
        firewalled: false,
      });
      nodes.push(node);
      await node.fullyBootstrapped();
    }
  } catch (cause) {
    for (const node of nodes.reverse()) await node.destroy({ force: true });
    throw cause;
  }
  return nodes;
}
