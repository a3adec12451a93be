/**
 * HyperDHT for Bun: the same class, on the UDX of `src/udx` and libsodium's WebAssembly instead of two native
 * addons, with forged replies to its requests refused. Importing it waits for libsodium, which HyperDHT calls
 * while it is being loaded; it starts nothing.
 */
import type { HyperDHTOptions } from "@hyperswarm/dht";
import { type HyperDHTConstructor, loadHyperDHT } from "./swarm/node.ts";
import { knownRelaysFirst } from "./swarm/known-relays-first.ts";
import { guardReplies } from "./swarm/reply-guard.ts";

const Original: HyperDHTConstructor = await loadHyperDHT();

/** As documented by hyperdht; without `bootstrap` it joins the public network. */
export class HyperDHT extends Original {
  constructor(options?: HyperDHTOptions) {
    super(options);
    guardReplies(this.io);
    knownRelaysFirst(this);
  }
}

export default HyperDHT;
