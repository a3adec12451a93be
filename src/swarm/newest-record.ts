/**
 * The newest release record known: verify → compare → keep. What a stranger claims changes nothing before
 * its signature has been verified under our own target key, and the newest record seen is a floor that is
 * never left again (rollback, replay).
 */
import type { Signature } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { sha256 } from "../core/hash.ts";
import { RECORD_FUTURE_MAX_S, FORGERIES_MAX } from "../core/limits.ts";
import {
  decodeRecord,
  verifyRecord,
  type ReleaseRecord,
  type VerifiedRecord,
} from "../core/release-record.ts";
import { compareVersions } from "../core/version.ts";
import type { SwarmScope } from "./scope.ts";

/** A record as somebody sent it. */
export interface ClaimedRecord {
  readonly bytes: Uint8Array;
  readonly signature: Signature;
  /** The seq it was stored under in the DHT, when it comes from there. */
  readonly seq?: number | undefined;
}

/**
 * newer: verified and kept · known: the one we have · older: below the floor, nothing verified · early:
 * dated further in the future than clocks differ, of no use yet · refused: not a record of ours.
 */
export type Offered = "newer" | "known" | "older" | "early" | "refused";

export class NewestRecord {
  readonly #scope: SwarmScope;
  readonly #clock: Clock;
  readonly #onNewer: (record: VerifiedRecord) => void;
  #current: VerifiedRecord | undefined;
  /**
   * Digests of claims (bytes and signature: a bad signature must not spoil the bytes) that did not verify,
   * oldest first. The same forgery costs one verification, however often it is sent.
   */
  readonly #forgeries = new Set<string>();
  /** How many signatures were verified. */
  verifications = 0;

  /** `onNewer` is told of each record that replaces the one before. */
  constructor(
    scope: SwarmScope,
    clock: Clock,
    initial: VerifiedRecord | undefined,
    onNewer: (record: VerifiedRecord) => void,
  ) {
    this.#scope = scope;
    this.#clock = clock;
    this.#current = initial;
    this.#onNewer = onNewer;
  }

  get current(): VerifiedRecord | undefined {
    return this.#current;
  }

  offer(claim: ClaimedRecord): Offered {
    const current = this.#current;
    if (current !== undefined && equal(claim.bytes, current.bytes)) return "known";
    const record = tryDecode(claim.bytes);
    // Nothing is trusted yet: reading first only spares the signatures that could not matter.
    if (record === undefined || !this.#isOurs(record)) return "refused";
    // Not remembered: the same bytes are genuine when somebody else sends them under their own seq.
    if ((claim.seq ?? record.publishedS) !== record.publishedS) return "refused";
    if (current !== undefined && !isAbove(record, claim.bytes, current)) return "older";
    // A handover is dated at the end of time, and true at once.
    const isHandover = record.x.successor !== undefined;
    const latestS = this.#clock.nowMs() / 1000 + RECORD_FUTURE_MAX_S;
    if (!isHandover && record.publishedS > latestS) return "early";
    const verified = this.#verify(claim);
    if (verified === undefined) return "refused";
    this.#current = verified;
    this.#onNewer(verified);
    return "newer";
  }

  #verify({ bytes, signature }: ClaimedRecord): VerifiedRecord | undefined {
    const digest = sha256(bytes, signature).toHex();
    if (this.#forgeries.has(digest)) return undefined;
    this.verifications++;
    try {
      return verifyRecord(this.#scope.owner, bytes, signature);
    } catch {
      this.#remember(digest);
      return undefined;
    }
  }

  #isOurs(record: ReleaseRecord): boolean {
    const { name } = this.#scope;
    return (
      record.app === name.app && record.target === name.target && record.channel === name.channel
    );
  }

  #remember(digest: string): void {
    const [oldest] = this.#forgeries;
    if (this.#forgeries.size >= FORGERIES_MAX && oldest !== undefined) {
      this.#forgeries.delete(oldest);
    }
    this.#forgeries.add(digest);
  }
}

/** Whatever is wrong with a stranger's bytes: the reason is of no use to anybody. */
function tryDecode(bytes: Uint8Array): ReleaseRecord | undefined {
  try {
    return decodeRecord(bytes);
  } catch {
    return undefined;
  }
}

/**
 * The date decides. Two records of one second, which only the owner can make, are put into an order that
 * is the same for every copy, or the swarm would split over them.
 */
function isAbove(record: ReleaseRecord, bytes: Uint8Array, current: VerifiedRecord): boolean {
  const order =
    record.publishedS - current.record.publishedS ||
    compareVersions(record.version, current.record.version) ||
    Buffer.compare(bytes, current.bytes);
  return order > 0;
}
