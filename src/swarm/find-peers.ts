import type HyperDHT from "@hyperswarm/dht";
import type { LookupReply, Query } from "@hyperswarm/dht";
import { topicsToScan } from "./topic.ts";
import type { Peers } from "./peers.ts";
import type { SwarmScope } from "./scope.ts";

/**
 * Looks at this minute's topic and at the one before. Every node's answer counts, so a node that tells of
 * nobody hides nobody. Never rejects: a failed lookup found no peers. `signal` ends it early.
 */
export async function findPeers(
  dht: Pick<HyperDHT, "lookup">,
  scope: SwarmScope,
  minute: number,
  peers: Pick<Peers, "add">,
  signal: AbortSignal,
): Promise<void> {
  const lookups = topicsToScan(scope, minute).map(async (topic) => {
    const query = dht.lookup(topic);
    const stop = (): void => query.destroy();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await rememberFound(query, peers);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  });
  await Promise.allSettled(lookups);
}

/** Resolves when the query is over, an announcement's as well; rejects when nobody answered. */
export async function rememberFound(
  query: Query<LookupReply>,
  peers: Pick<Peers, "add">,
): Promise<void> {
  for await (const reply of query) {
    for (const { publicKey, relayAddresses } of reply.peers) peers.add(publicKey, relayAddresses);
  }
}
