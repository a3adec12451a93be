/**
 * What this copy believes about releases: the newest record it has seen, below which nothing is accepted,
 * and the releases that could not be run here. Pure: records come in verified, time comes in as a number,
 * nothing is read or written.
 */
import { equal, toHex } from "../core/bytes.ts";
import type { ContentRoot, PublicKey } from "../core/brand.ts";
import { asHandover, type Handover } from "../core/handover.ts";
import { HANDOVERS_MAX, RECORD_FUTURE_MAX_S, REFUSED_ROOTS_MAX } from "../core/limits.ts";
import { heightOf, isWithdrawnBy, type VerifiedRecord } from "../core/release-record.ts";
import type { TargetName } from "../core/target-key.ts";
import { compareVersions, type ParsedVersion } from "../core/version.ts";
import { UpdateError, type UpdateErrorCode } from "./error.ts";
import { isHeldBack } from "./rollout.ts";

declare const decided: unique symbol;
/** A release that step 2 allows to be fetched. Only TrustedState makes these. */
export type Candidate = VerifiedRecord & { readonly [decided]: true };

const MS_PER_S = 1000;

export class TrustedState {
  readonly #name: TargetName;
  #newest: VerifiedRecord | undefined;
  /** The highest version of this channel that an accepted record has spoken of, or that was installed. Never falls. */
  #floor: ParsedVersion | undefined;
  #installed: ParsedVersion;
  /** Is what is installed a release of another channel? */
  #isForeign: boolean;
  /** Whose records count: the owner that the executable names, or whoever that key was handed over to. */
  #owner: PublicKey;
  #handovers: readonly Handover[] = [];
  /** What this install's share of a rollout is told by. Absent: it is not among the first. */
  installId: Uint8Array | undefined;
  /** Content roots in hexadecimal, oldest first. */
  readonly #refused = new Set<string>();

  /**
   * `own` is the record that the running executable carries: nothing is below it. Of a `channel` that is not
   * its own nothing is known yet, and nothing but a version above it will ever be installed.
   */
  constructor(own: VerifiedRecord, channel: string = own.record.channel) {
    this.#owner = own.owner;
    this.#isForeign = channel !== own.record.channel;
    this.#name = { ...own.record, channel };
    this.#newest = this.#isForeign ? undefined : own;
    this.#floor = this.#isForeign ? undefined : heightOf(own.record);
    this.#installed = own.record.version;
  }

  /** Undefined when nothing is known of the channel that is followed. */
  get newest(): VerifiedRecord | undefined {
    return this.#newest;
  }

  get installed(): ParsedVersion {
    return this.#installed;
  }

  get refused(): readonly string[] {
    return [...this.#refused];
  }

  /** The owner key that is followed. */
  get owner(): PublicKey {
    return this.#owner;
  }

  /** From the owner that the executable names to the one that is followed, oldest first. */
  get handovers(): readonly Handover[] {
    return this.#handovers;
  }

  /** The channel that is followed. */
  get channel(): string {
    return this.#name.channel;
  }

  /** The version that is at the executable's path now; by default of the channel that is followed. */
  markInstalled(version: ParsedVersion, channel: string = this.#name.channel): void {
    this.#installed = version;
    this.#isForeign = channel !== this.#name.channel;
    if (this.#isForeign) return;
    if (this.#floor === undefined || compareVersions(version, this.#floor) > 0) {
      this.#floor = version;
    }
  }

  /** Never fetch this release again: it was installed and could not be started. */
  refuse(root: ContentRoot): void {
    this.#refused.delete(toHex(root));
    this.#refused.add(toHex(root));
    for (const oldest of this.#refused) {
      if (this.#refused.size <= REFUSED_ROOTS_MAX) break;
      this.#refused.delete(oldest);
    }
  }

  /**
   * Step 2 (decide), first half: may this record change what we believe? The checks come before the
   * change, and an error changes nothing. True when the record is newer than what was known.
   * @throws {UpdateError} WRONG_OWNER, WRONG_TARGET, FROM_FUTURE, RECORD_STALE, VERSION_BELOW_FLOOR, WITHDRAWN
   */
  learn(candidate: VerifiedRecord, nowMs: number): boolean {
    const { record } = candidate;
    // Nothing that a key says counts any more once it has been handed over, nor before it was.
    if (!equal(candidate.owner, this.#owner)) {
      throw refusal(
        "WRONG_OWNER",
        "the release is signed by a key that is not followed",
        candidate,
      );
    }
    const handover = asHandover(candidate);
    if (handover !== undefined) return this.#follow(handover);
    // Step 2: target and channel equal ours. The signature only says that the record is for *a* target.
    for (const field of ["app", "target", "channel"] as const) {
      if (record[field] !== this.#name[field]) {
        throw refusal(
          "WRONG_TARGET",
          "the release is for another app, target or channel",
          candidate,
        );
      }
    }
    // Step 2: published not more than 10 minutes in the future. Accepted, such a record would become the
    // floor and keep out every real release until its date (fast-forward).
    if (record.publishedS * MS_PER_S > nowMs + RECORD_FUTURE_MAX_S * MS_PER_S) {
      throw refusal("FROM_FUTURE", "the release is dated in the future", candidate);
    }
    if (this.#newest !== undefined) {
      if (equal(candidate.bytes, this.#newest.bytes)) return false;
      checkFollows(candidate, this.#newest);
    }
    // A newer date does not make an older version acceptable (rollback). A record that withdraws stands as
    // high as what it withdraws: so the floor stays, and whatever follows has to be above it.
    if (this.#floor !== undefined && compareVersions(heightOf(record), this.#floor) < 0) {
      throw refusal(
        "VERSION_BELOW_FLOOR",
        "the release is newer, but its version is lower",
        candidate,
      );
    }
    if (this.#newest !== undefined && isWithdrawnBy(record.version, this.#newest.record)) {
      throw refusal("WITHDRAWN", "the owner has withdrawn this version", candidate);
    }
    this.#newest = candidate;
    this.#floor = heightOf(record);
    return true;
  }

  /**
   * The owner key was handed over: from now on the other one is followed, for good. What the old key has said
   * counts no longer, or who has stolen it could have set the floor too high for the new one.
   */
  #follow(handover: Handover): boolean {
    const { app, target } = handover.record;
    if (app !== this.#name.app || target !== this.#name.target) {
      throw refusal("WRONG_TARGET", "the handover is for another app or target", handover);
    }
    if (this.#handovers.length >= HANDOVERS_MAX) {
      throw refusal("WRONG_OWNER", "the owner key was handed over too often", handover);
    }
    this.#handovers = [...this.#handovers, handover];
    this.#owner = handover.successor;
    this.#newest = undefined;
    this.#floor = this.#isForeign ? undefined : this.#installed;
    return true;
  }

  /** Has the owner withdrawn what is installed? Then the newest release is the one to go back to. */
  get isWithdrawn(): boolean {
    // A version of another channel is another release, which is not taken back here.
    if (this.#newest === undefined || this.#isForeign) return false;
    return isWithdrawnBy(this.#installed, this.#newest.record);
  }

  /** Is the newest release, so far, for others first? Who goes back from a withdrawn version does not wait. */
  get isHeldBack(): boolean {
    const record = this.#newest?.record;
    if (record?.x.rolloutPercent === undefined || this.isWithdrawn) return false;
    if (!this.isNext(record.version)) return false;
    return this.installId === undefined || isHeldBack(record, this.installId);
  }

  /** Step 2: may an executable of this version take the place of what is installed? */
  isNext(version: ParsedVersion): boolean {
    if (compareVersions(version, this.#installed) > 0) return true;
    return this.isWithdrawn && version.text === this.#newest?.record.version.text;
  }

  /**
   * Step 2 (decide), second half: is the newest release one to install? Undefined when it is what is
   * installed already.
   * @throws {UpdateError} EXPIRED, BRIDGE_REQUIRED, REFUSED
   */
  decide(nowMs: number): Candidate | undefined {
    if (this.#newest === undefined) return undefined;
    const { record } = this.#newest;
    // Step 2: version above ours, or ours was withdrawn.
    if (!this.isNext(record.version)) return undefined;
    if (record.expiresS !== 0 && record.expiresS * MS_PER_S <= nowMs) {
      throw refusal("EXPIRED", "the newest release known has expired", this.#newest);
    }
    if (record.from !== undefined && compareVersions(this.#installed, record.from) < 0) {
      throw refusal(
        "BRIDGE_REQUIRED",
        `this is ${this.#installed.text}, and the release updates ${record.from.text} or later: install ${record.from.text} by hand once`,
        this.#newest,
      );
    }
    if (this.isHeldBack) return undefined;
    if (this.#refused.has(toHex(record.root))) {
      throw refusal("REFUSED", "the release was tried here and could not be started", this.#newest);
    }
    return this.#newest as Candidate;
  }
}

/**
 * Step 2: not older than the newest record seen (rollback, freeze). Two records of one second, which only
 * the owner can make, have the same order in every copy.
 */
function checkFollows(candidate: VerifiedRecord, newest: VerifiedRecord): void {
  const [next, known] = [candidate.record, newest.record];
  const order =
    next.publishedS - known.publishedS ||
    compareVersions(next.version, known.version) ||
    Buffer.compare(candidate.bytes, newest.bytes);
  if (order < 0) {
    throw refusal("RECORD_STALE", "the release is older than the newest one seen", candidate);
  }
}

function refusal(code: UpdateErrorCode, reason: string, { record }: VerifiedRecord): UpdateError {
  return new UpdateError(code, `${reason}: ${record.version.text} of ${record.target}`, {
    blame: "artifact",
    version: record.version.text,
    publishedS: record.publishedS,
  });
}
