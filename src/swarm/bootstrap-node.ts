import type HyperDHT from "@hyperswarm/dht";
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
