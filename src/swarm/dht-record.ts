/**
 * The newest record in the DHT: read from every close node, and put on those that lack it, in one query.
 * Any copy can do the second, since the record carries the owner's signature for it; so the record
 * outlives its publisher and the DHT's memory.
 */
import type HyperDHT from "@hyperswarm/dht";
import type { RawReply } from "@hyperswarm/dht";
import type { PublicKey } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { blake2b256 } from "../core/hash.ts";
import {
  ANY_SEQ,
  decodeMutable,
  encodePut,
  MUTABLE_GET,
  MUTABLE_PUT,
  SEQ_REUSED,
  SEQ_TOO_LOW,
} from "./mutable.ts";
import type { ClaimedRecord, NewestRecord } from "./newest-record.ts";

export interface DhtExchange {
  /** Nodes that answered. */
  readonly answered: number;
  /** Nodes on which our newest record was put. */
  readonly refreshed: number;
  /** Nodes, of those it belongs on, that had it already. */
  readonly held: number;
}

type Dht = Pick<HyperDHT, "query" | "request">;

/**
 * Step 1 (discover): offers every reply to `newest`; "not found" and forgeries mean nothing. Rejects with
 * HyperDHT's error when no node answers at all; the caller bounds the time with `signal`.
 */
export async function exchangeRecord(
  dht: Dht,
  targetKey: PublicKey,
  newest: NewestRecord,
  signal: AbortSignal,
): Promise<DhtExchange> {
  const first = await queryOnce(dht, targetKey, newest, signal);
  // A put that came too late for a newer record: that one is fetched, the put is not repeated blindly.
  return first.isOutdated ? queryOnce(dht, targetKey, newest, signal) : first;
}

async function queryOnce(
  dht: Dht,
  targetKey: PublicKey,
  newest: NewestRecord,
  signal: AbortSignal,
): Promise<DhtExchange & { isOutdated: boolean }> {
  const target = blake2b256(targetKey);
  let answered = 0;
  let refreshed = 0;
  let held = 0;
  let isOutdated = false;

  const refresh = async ({ token, from, value }: RawReply): Promise<void> => {
    const ours = newest.current;
    if (ours === undefined || token === null) return;
    if (holds(value, ours.bytes)) {
      held++;
      return;
    }
    const put = { token, target, command: MUTABLE_PUT, value: encodePut(targetKey, ours) };
    // A node that went away meanwhile is no loss: there are others, and the next minute.
    const reply = await dht.request(put, from).catch(() => undefined);
    if (reply?.error === 0) refreshed++;
    if (reply?.error === SEQ_TOO_LOW || reply?.error === SEQ_REUSED) isOutdated = true;
  };

  const query = dht.query(
    { target, command: MUTABLE_GET, value: ANY_SEQ },
    { map: ({ value }) => ({ claim: tryDecode(value) }), commit: refresh },
  );
  const stop = (): void => query.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const { claim } of query) {
      answered++;
      if (claim !== undefined) newest.offer(claim);
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
  return { answered, refreshed, held, isOutdated };
}

/** A reply that cannot be read is an empty one: the next node is asked. */
function tryDecode(value: Uint8Array | null): ClaimedRecord | undefined {
  if (value === null) return undefined;
  try {
    return decodeMutable(value);
  } catch {
    return undefined;
  }
}

function holds(value: Uint8Array | null, record: Uint8Array): boolean {
  const held = tryDecode(value);
  return held !== undefined && equal(held.bytes, record);
}
