/** Keeps a download supplied with providers until it is over. */
import type { Clock } from "../core/clock.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import { Demand } from "./demand.ts";
import type { Dialer } from "./dialer.ts";
import { Download, type PartialPlace } from "./download.ts";
import type { FetchOptions } from "./fetch-options.ts";
import { SwarmError } from "./error.ts";
import { Hope, LOOKS_PER_S } from "./hope.ts";
import type { Manifest } from "./manifest.ts";
import type { Peer, Peers } from "./peers.ts";

export interface GetterSupply {
  readonly clock: Clock;
  readonly dialer: Dialer;
  readonly peers: Peers;
  /** Where what is here already is given to others; absent: nowhere. */
  readonly place?: PartialPlace;
  /** Looks for more peers; never rejects. */
  readonly findPeers: () => Promise<void>;
}

const TICK_MS = 1_000 / LOOKS_PER_S;
/** Between lookups while nobody is left to ask; doubled each time. */
const LOOKUP_FIRST_MS = 500;
const LOOKUP_MAX_MS = 8_000;

/**
 * Step 4 (fetch). Resolves with the verified region and table when every missing chunk was taken by
 * `onPiece`. There is no limit on the total time, only on the time without progress: hope.ts.
 * @throws {SwarmError} NO_PROVIDER, STOPPED; what `missing` or `onPiece` threw
 */
export async function fetchRelease(
  record: VerifiedRecord,
  options: FetchOptions,
  { clock, dialer, peers, place, findPeers }: GetterSupply,
): Promise<Manifest> {
  const hope = new Hope();
  const download = new Download(record, options, clock, peers, hope, place);
  const stop = (): void => download.fail(stopped(options.signal));
  options.signal?.addEventListener("abort", stop, { once: true });
  if (options.signal?.aborted === true) stop();

  const demand = new Demand(clock);
  let inUse = 0;
  let nextLookupMs = -Infinity;
  let lookupDelayMs = LOOKUP_FIRST_MS;
  let isLooking = false;

  const look = async (): Promise<void> => {
    if (isLooking || clock.monotonicMs() < nextLookupMs) return;
    isLooking = true;
    await findPeers();
    isLooking = false;
    nextLookupMs = clock.monotonicMs() + lookupDelayMs;
    lookupDelayMs = Math.min(2 * lookupDelayMs, LOOKUP_MAX_MS);
    fill();
  };
  const useNext = async (peer: Peer): Promise<void> => {
    try {
      await download.use(await dialer.dial(peer));
    } catch {
      // A provider that cannot be had was judged by the dialer; the next one takes its place.
    }
    inUse--;
    fill();
  };
  const fill = (): void => {
    while (!download.isOver && inUse < demand.wanted && dialer.hasRoom) {
      const peer = peers.next(dialer.busy);
      if (peer === undefined) return void look();
      inUse++;
      void useNext(peer);
    }
  };
  /** While somebody waits who was not heard yet, no place is held by who does not move. */
  const makeRoom = (): void => {
    if (dialer.hasRoom || !peers.hasFresh(dialer.busy)) return;
    if (!download.dropSlowest()) dialer.giveUpSlowest();
  };
  const askAll = (): void => {
    peers.forgive();
    nextLookupMs = -Infinity;
    void look();
  };
  const tick = (): void => {
    if (download.isOver) return;
    const next = hope.look(isLooking);
    if (next === "give up") return download.fail(nobody());
    if (next === "ask all once more") askAll();
    demand.look(download.supply);
    makeRoom();
    fill();
    download.tick();
    cancelTick = clock.after(TICK_MS, tick);
  };
  let cancelTick = clock.after(TICK_MS, tick);
  // Who could not be reached yesterday may be there today.
  peers.forgive();
  fill();
  try {
    return await download.result;
  } finally {
    cancelTick();
    options.signal?.removeEventListener("abort", stop);
  }
}

function nobody(): SwarmError {
  return new SwarmError("NO_PROVIDER", "nobody who can be reached has this release; try later", {
    blame: "local",
  });
}

function stopped(signal: AbortSignal | undefined): SwarmError {
  return new SwarmError("STOPPED", "the download was stopped", {
    blame: "local",
    cause: signal?.reason,
  });
}
