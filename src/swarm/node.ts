/**
 * HyperDHT, loaded late and hardened. Nothing else in this project constructs a node.
 *
 * `udx-native` and `sodium-universal` must resolve to the replacements of `embed/alias` before this file is
 * loaded: through `aliasPlugin()` when bundled, through `register.ts` otherwise.
 */
import type HyperDHT from "@hyperswarm/dht";
import type { Address, HyperDHTOptions, KeyPair } from "@hyperswarm/dht";
import { ready } from "sodium-universal";
import { drainOnDemand } from "./drain-on-demand.ts";
import { knownRelaysFirst } from "./known-relays-first.ts";
import { guardReplies } from "./reply-guard.ts";

export type HyperDHTConstructor = typeof HyperDHT;

export interface NodeOptions {
  /**
   * Nodes to join the network by; an empty list starts a network of its own. `"public"` is a word and not
   * a default, so that nobody joins the public network by leaving something out.
   */
  readonly bootstrap: readonly Address[] | "public";
  /** Other nodes that were there some time ago, to join by as well. */
  readonly nodes?: readonly Address[];
  /** UDP port; 0 (default): any. A taken port fails, it is never silently replaced. */
  readonly port?: number;
  /** IPv4 address to bind; default: all interfaces. */
  readonly host?: string;
  /** Identity of connections; default: a fresh one. */
  readonly keyPair?: KeyPair;
  /** False: a routing node that stores records for others, from the start. Default: when it has proven stable. */
  readonly ephemeral?: boolean;
  /** False: known to be reachable. Default: finds out. */
  readonly firewalled?: boolean;
  /** Entries of each kind that a routing node keeps for others, and once more as many older ones; default 65,536. */
  readonly entriesMax?: number;
  /** Milliseconds between keepalive frames on idle connections; default 5000. */
  readonly keepAliveMs?: number;
}

/**
 * Loads HyperDHT once libsodium is ready, which has to come first: HyperDHT hashes while it is being loaded.
 * Later calls return the same constructor. A node made with it directly has no reply guard.
 */
export async function loadHyperDHT(): Promise<HyperDHTConstructor> {
  await ready;
  const { default: constructor } = await import("@hyperswarm/dht");
  return constructor;
}

/**
 * Starts a node and resolves when its sockets are bound, before it has joined the network (that is
 * `node.fullyBootstrapped()`). The caller owns it and must `destroy()` it.
 * @throws the transport's error with `code` EADDRINUSE or EADDRNOTAVAIL when it cannot bind.
 */
export async function createNode(options: NodeOptions): Promise<HyperDHT> {
  const constructor = await loadHyperDHT();
  const node = new constructor(hyperdhtOptions(options));
  guardReplies(node.io);
  drainOnDemand(node.io);
  knownRelaysFirst(node);
  try {
    await node.bind();
  } catch (cause) {
    await node.destroy({ force: true }).catch(() => undefined);
    // dht-rpc gives up its own clean-up when there are no sockets to close, and leaves this running.
    await node.io.networkInterfaces.destroy();
    throw cause;
  }
  return node;
}

function hyperdhtOptions(options: NodeOptions): HyperDHTOptions {
  const { bootstrap, nodes = [], port = 0, keepAliveMs } = options;
  const { host, keyPair, ephemeral, firewalled, entriesMax } = options;
  return {
    ...(nodes.length === 0 ? {} : { nodes: nodes.map(({ host, port }) => ({ host, port })) }),
    ...(bootstrap === "public"
      ? {}
      : { bootstrap: bootstrap.map(({ host, port }) => ({ host, port })) }),
    // A bare number would mean "this one or any of the next four", and 0 would mean 49737. An empty
    // range leaves only the fallback to any port; a range of one, without the fallback, is exact.
    port: port === 0 ? [0, 0] : [port, port + 1],
    anyPort: port === 0,
    ...(host === undefined ? {} : { host }),
    ...(keyPair === undefined ? {} : { keyPair }),
    ...(ephemeral === undefined ? {} : { ephemeral }),
    ...(firewalled === undefined ? {} : { firewalled }),
    ...(entriesMax === undefined ? {} : { maxSize: entriesMax }),
    ...(keepAliveMs === undefined ? {} : { connectionKeepAlive: keepAliveMs }),
  };
}
