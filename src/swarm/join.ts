import type HyperDHT from "@hyperswarm/dht";
import { isLoopbackOnly, type Bootstrap } from "./bootstrap.ts";
import { createNode } from "./node.ts";

/**
 * A node of our own in the network of `bootstrap`, joining in the background. The caller must destroy it.
 * What bootstraps from this machine alone is a test or a demo: it must not open a port to others.
 */
export function joinNetwork(bootstrap: Bootstrap): Promise<HyperDHT> {
  const local = isLoopbackOnly(bootstrap) ? { host: "127.0.0.1", firewalled: false } : {};
  return createNode({ bootstrap, ...local });
}
