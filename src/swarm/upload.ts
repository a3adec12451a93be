/**
 * What leaves us for others: how much a second, to how many at once, and whose turn it is.
 *
 * - A token bucket keeps the rate. It is charged for what an answer was, so no answer is ever cut.
 * - Turns are dealt by start-time fair queueing (Goyal, Vin, Cheng, 1996): whoever has had least is next,
 *   whatever it asks for and how often. An address is one party, however many connections it has.
 * - Who comes new is ahead of the others by some megabytes: a small update never waits behind somebody's
 *   full download, nor an honest getter behind those who read for the sake of reading.
 * - Places are bounded, so that each who has one gets enough to see us as alive. Others are told to ask
 *   elsewhere; a place is given on when its holder asks for nothing, has several, or has had more than who waits.
 */
import type { Clock } from "../core/clock.ts";
import {
  ANSWER_MAX_BYTES,
  GIVE_WAY_AFTER_MS,
  UPLOAD_PARTIES_MAX,
  UPLOAD_PLACES_MAX,
} from "../core/limits.ts";
import { UNFAIR_LEAD } from "./host-counts.ts";

/** How far ahead a newcomer is: most updates are smaller. */
const CREDIT_BYTES = 4 * 1024 * 1024;
/** What may leave at once after a pause. */
const BURST_S = 0.25;
/** Headers of UDX, UDP and IP on each packet of 1,200 bytes, and the seal of each frame. */
const OVERHEAD = 1.05;
/** Until it is known what an answer is, it counts as this. */
const EXPECTED_BYTES = ANSWER_MAX_BYTES;
/** Eight times what a getter takes for a sign of life; an answer every four seconds. */
const PLACE_MIN_BYTES_PER_S = 32 * 1024;
/** A holder who has had more than who waits has to give way after this long. */
const TENURE_MS = 30_000;

/** One address, or on loopback one socket. */
interface Party {
  /** Virtual time at which it has had its share; see #now. */
  finish: number;
  /** Places that wait for a turn, in their order. */
  readonly waiting: Waiting[];
  places: number;
}

interface Waiting {
  readonly place: Place;
  readonly resolve: (done: (sizeBytes: number) => void) => void;
}

interface Place {
  readonly party: Party;
  heldSinceMs: number;
  lastTurnMs: number;
  /** Turns asked for and not yet done with. */
  turns: number;
}

/** One connection's part of the upload. */
export interface UploadPlace {
  /** False: all places are taken, and it has to ask elsewhere. */
  take(): boolean;
  /**
   * Resolves when one answer may be made; what it resolves with is then called once, with the bytes that
   * were sent. Never rejects.
   */
  turn(): Promise<(sizeBytes: number) => void>;
  /** The connection is over. */
  leave(): void;
  /** Bytes that its party has had more than that other one; 0 while it has not been here for long. */
  lead(other: string): number;
}

export class Upload {
  readonly #clock: Clock;
  readonly #bytesPerS: number;
  readonly #placesMax: number;
  readonly #parties = new Map<string, Party>();
  /** In the order in which they were taken. */
  readonly #held = new Set<Place>();
  readonly #waiting = new Set<Party>();
  /** Virtual time, in bytes: what a party that always had something to ask for has had. */
  #now = 0;
  /** Below 0: what left too early. */
  #tokens: number;
  #filledMs: number;
  #isScheduled = false;
  #cancelTimer: (() => void) | undefined;

  /** `bytesPerS` may be Infinity. */
  constructor(clock: Clock, bytesPerS: number = Infinity) {
    this.#clock = clock;
    this.#bytesPerS = bytesPerS;
    this.#placesMax = placesFor(bytesPerS);
    this.#tokens = this.#burstBytes;
    this.#filledMs = clock.monotonicMs();
  }

  /** A connection of this party (host-counts.ts); has no place yet. */
  join(name: string): UploadPlace {
    const party = this.#partyOf(name);
    const openedMs = this.#clock.monotonicMs();
    party.places++;
    const place: Place = { party, heldSinceMs: 0, lastTurnMs: 0, turns: 0 };
    return {
      take: () => this.#take(place),
      turn: () => this.#turn(place),
      leave: () => this.#leave(place),
      lead: (other) => {
        if (this.#clock.monotonicMs() - openedMs < TENURE_MS) return 0;
        const fresh = this.#now - CREDIT_BYTES;
        return party.finish - Math.max(this.#parties.get(other)?.finish ?? fresh, fresh);
      },
    };
  }

  /** Ends nothing but a timer. */
  destroy(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #partyOf(name: string): Party {
    for (const [known, { places, finish }] of this.#parties) {
      // As good as a newcomer: nothing to remember.
      if (places === 0 && finish <= this.#now - CREDIT_BYTES) this.#parties.delete(known);
    }
    const known = this.#parties.get(name);
    if (known !== undefined) return known;
    if (this.#parties.size >= UPLOAD_PARTIES_MAX) this.#forgetLeast();
    const fresh: Party = { finish: this.#now - CREDIT_BYTES, waiting: [], places: 0 };
    this.#parties.set(name, fresh);
    return fresh;
  }

  /** Who is gone and has had least: whoever read much stays known, however many others come after it. */
  #forgetLeast(): void {
    let least: [name: string, party: Party] | undefined;
    for (const entry of this.#parties) {
      const [, { places, finish }] = entry;
      if (places === 0 && finish < (least?.[1].finish ?? Infinity)) least = entry;
    }
    if (least !== undefined) this.#parties.delete(least[0]);
  }

  #take(place: Place): boolean {
    if (this.#held.has(place)) return true;
    const nowMs = this.#clock.monotonicMs();
    if (this.#held.size >= this.#placesMax) {
      const other = this.#givingWay(place.party, nowMs);
      if (other === undefined) return false;
      this.#held.delete(other);
    }
    this.#held.add(place);
    place.heldSinceMs = nowMs;
    place.lastTurnMs = nowMs;
    return true;
  }

  #givingWay(party: Party, nowMs: number): Place | undefined {
    const ours = [...this.#held].filter((place) => place.party === party).length;
    let most: Place | undefined;
    for (const [other, held] of Map.groupBy(this.#held, (place) => place.party)) {
      if (other !== party && held.length >= ours + UNFAIR_LEAD) return held[0];
    }
    for (const place of this.#held) {
      if (place.turns === 0 && nowMs - place.lastTurnMs >= GIVE_WAY_AFTER_MS) return place;
      const isDue = nowMs - place.heldSinceMs >= TENURE_MS && place.party !== party;
      if (!isDue || place.party.finish <= this.#startOf(party)) continue;
      if (most === undefined || place.party.finish > most.party.finish) most = place;
    }
    return most;
  }

  #turn(place: Place): Promise<(sizeBytes: number) => void> {
    const { promise, resolve } = Promise.withResolvers<(sizeBytes: number) => void>();
    place.turns++;
    place.party.waiting.push({ place, resolve });
    this.#waiting.add(place.party);
    this.#schedule();
    return promise;
  }

  #leave(place: Place): void {
    const { party } = place;
    party.places--;
    this.#held.delete(place);
    for (let i = party.waiting.length - 1; i >= 0; i--) {
      if (party.waiting[i]?.place === place) party.waiting.splice(i, 1);
    }
    if (party.waiting.length === 0) this.#waiting.delete(party);
  }

  /** One turn for each turn of the event loop: in between, others come and ask, and packets are acknowledged. */
  #schedule(): void {
    if (this.#isScheduled || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#deal();
    });
  }

  #deal(): void {
    if (this.#waiting.size === 0) return;
    const waitMs = this.#waitMs();
    if (waitMs > 0) {
      this.#cancelTimer?.();
      this.#cancelTimer = this.#clock.after(waitMs, () => {
        this.#cancelTimer = undefined;
        this.#schedule();
      });
      return;
    }
    const party = this.#next();
    const turn = party?.waiting.shift();
    if (party === undefined || turn === undefined) return;
    if (party.waiting.length === 0) this.#waiting.delete(party);
    const start = this.#startOf(party);
    this.#now = Math.max(this.#now, start);
    party.finish = start;
    this.#charge(party, EXPECTED_BYTES);
    turn.resolve((sizeBytes) => this.#done(turn.place, sizeBytes));
    this.#schedule();
  }

  #done(place: Place, sizeBytes: number): void {
    place.turns--;
    place.lastTurnMs = this.#clock.monotonicMs();
    this.#charge(place.party, sizeBytes - EXPECTED_BYTES);
    this.#schedule();
  }

  #charge(party: Party, sizeBytes: number): void {
    party.finish += sizeBytes;
    this.#tokens -= sizeBytes * OVERHEAD;
  }

  #next(): Party | undefined {
    let next: Party | undefined;
    for (const party of this.#waiting) {
      if (next === undefined || this.#startOf(party) < this.#startOf(next)) next = party;
    }
    return next;
  }

  #startOf({ finish }: Party): number {
    return Math.max(finish, this.#now - CREDIT_BYTES);
  }

  /** Till something may leave. */
  #waitMs(): number {
    if (this.#bytesPerS === Infinity) return 0;
    const nowMs = this.#clock.monotonicMs();
    const filled = ((nowMs - this.#filledMs) / 1000) * this.#bytesPerS;
    this.#tokens = Math.min(this.#tokens + filled, this.#burstBytes);
    this.#filledMs = nowMs;
    return this.#tokens > 0 ? 0 : Math.ceil((-this.#tokens / this.#bytesPerS) * 1000) + 1;
  }

  get #burstBytes(): number {
    return this.#bytesPerS * BURST_S;
  }
}

/** Fewer than the places there are, when the rate would not be enough for all of them. */
function placesFor(bytesPerS: number): number {
  return Math.max(1, Math.min(UPLOAD_PLACES_MAX, Math.floor(bytesPerS / PLACE_MIN_BYTES_PER_S)));
}
