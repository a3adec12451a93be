import type HyperDHT from "@hyperswarm/dht";
import { DHT_ENTRIES_MAX } from "../core/limits.ts";
import { isLoopbackOnly, type Bootstrap } from "./bootstrap.ts";
import { createNode, type NodeOptions } from "./node.ts";

/**
 * A node of our own in the network of `bootstrap`, and of `nodes` that were there earlier, joining in the background. The caller must destroy it.
 * What bootstraps from this machine alone is a test or a demo: it must not open a port to others.
 */
export function joinNetwork(
  bootstrap: Bootstrap,
  nodes: NodeOptions["nodes"] = [],
): Promise<HyperDHT> {
  const local = isLoopbackOnly(bootstrap) ? { host: "127.0.0.1", firewalled: false } : {};
  return createNode({ bootstrap, nodes, entriesMax: DHT_ENTRIES_MAX, ...local });
}
