/**
 * What is known of a rollout: events in, a picture out. Pure: time comes in as a number, nothing is asked,
 * drawn or kept anywhere else. A copy is known by the key of one run of it, which says nothing of the install.
 */
import { WATCHED_COPIES_MAX } from "../core/limits.ts";
import { compareVersions, parseVersion } from "../core/version.ts";
import type { CopyStatus } from "../swarm/copy-status.ts";
import { History, type Sample } from "./history.ts";

export type WatchEvent =
  /** A record that verified and is newer than the one before. */
  | {
      readonly type: "release";
      readonly version: string;
      readonly publishedS: number;
      readonly sizeBytes: number;
      /** The highest version that this release takes back: copies above it go back to it. */
      readonly withdrawn: string | undefined;
    }
  /** What the owner has written of the newest release, checked against its record. */
  | { readonly type: "notes"; readonly version: string; readonly notes: string }
  /** A copy answered. `status` is undefined for one that tells nothing of itself. */
  | {
      readonly type: "met";
      /** Hexadecimal key of this run. */
      readonly copy: string;
      readonly version: string;
      readonly status: CopyStatus | undefined;
    }
  /** A copy could not be reached any more. */
  | { readonly type: "gone"; readonly copy: string }
  /** Time passes. */
  | { readonly type: "tick" };

export interface WatchedCopy {
  /** The first letters of its key. */
  readonly id: string;
  readonly version: string;
  readonly isThere: boolean;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  /** What it says it has sent to others, how many are connected to it, why it stays behind; null: not told. */
  readonly servedBytes: number | null;
  readonly clients: number | null;
  readonly refusal: string | null;
}

export interface LogEntry {
  /** Counts up from 1. */
  readonly number: number;
  readonly atMs: number;
  readonly text: string;
}

export interface VersionCount {
  readonly version: string;
  readonly copies: number;
  /** By its owner. */
  readonly withdrawn: boolean;
}

/** Everything a view needs; plain data. */
export interface Rollout {
  readonly atMs: number;
  readonly startedMs: number;
  readonly newest: {
    readonly version: string;
    readonly publishedMs: number;
    readonly sizeBytes: number;
    /** The highest version that it takes back. */
    readonly withdrawn: string | null;
    /** Null as long as no copy has given them. Control characters but tab and newline are not in them. */
    readonly notes: string | null;
  } | null;
  readonly copies: number;
  readonly onNewest: number;
  /** Newest first. */
  readonly versions: readonly VersionCount[];
  /** By all copies met, in their runs. */
  readonly servedBytes: number;
  /** Copies that have sent something to others. */
  readonly providers: number;
  /** Copies that do not tell what they serve. */
  readonly silent: number;
  readonly refusals: readonly { readonly code: string; readonly copies: number }[];
  /** Those that are there first, newest version first. */
  readonly peers: readonly WatchedCopy[];
  /** Copies by version over time, oldest first. */
  readonly history: readonly Sample[];
  /** Newest last. */
  readonly log: readonly LogEntry[];
}

const LOG_MAX = 200;
const ID_LETTERS = 8;

interface Copy {
  version: string;
  isThere: boolean;
  readonly firstSeenMs: number;
  lastSeenMs: number;
  status: CopyStatus | undefined;
}

export class RolloutModel {
  readonly #startedMs: number;
  readonly #staleMs: number;
  readonly #copies = new Map<string, Copy>();
  readonly #history = new History();
  #log: LogEntry[] = [];
  #newest: Rollout["newest"] = null;
  /** By copies that were forgotten. */
  #forgottenBytes = 0;
  #isComplete = false;
  #logged = 0;

  /** A copy of which nothing was heard for `staleMs` is gone. */
  constructor(startedMs: number, staleMs: number) {
    this.#startedMs = startedMs;
    this.#staleMs = staleMs;
  }

  apply(event: WatchEvent, atMs: number): void {
    switch (event.type) {
      case "release": {
        const { version, publishedS, sizeBytes, withdrawn = null } = event;
        const publishedMs = publishedS * 1000;
        this.#newest = { version, publishedMs, sizeBytes, withdrawn, notes: null };
        this.#say(
          atMs,
          withdrawn === null
            ? `the newest release is ${version}`
            : `${withdrawn} is withdrawn: copies go back to ${version}`,
        );
        break;
      }
      case "notes": {
        const { version, notes } = event;
        if (this.#newest?.version === version) this.#newest = { ...this.#newest, notes };
        break;
      }
      case "met":
        this.#met(event, atMs);
        break;
      case "gone": {
        const copy = this.#copies.get(event.copy);
        if (copy !== undefined) this.#leave(copy, atMs);
        break;
      }
      case "tick":
        for (const copy of this.#copies.values()) {
          if (atMs - copy.lastSeenMs > this.#staleMs) this.#leave(copy, atMs);
        }
        this.#history.add({ atMs, counts: countsOf(this.#there()) });
        this.#notice(atMs);
    }
  }

  rollout(atMs: number): Rollout {
    const there = this.#there();
    const counts = countsOf(there);
    const versions = Object.entries(counts)
      .map(([version, copies]) => ({ version, copies, withdrawn: this.#isWithdrawn(version) }))
      .sort((a, b) => newerFirst(a.version, b.version));
    const all = [...this.#copies.values()];
    return {
      atMs,
      startedMs: this.#startedMs,
      newest: this.#newest,
      copies: there.length,
      onNewest: counts[this.#newest?.version ?? ""] ?? 0,
      versions,
      servedBytes: all.reduce((sum, copy) => sum + served(copy), this.#forgottenBytes),
      providers: there.filter((copy) => served(copy) > 0).length,
      silent: there.filter(({ status }) => status === undefined).length,
      refusals: refusalsOf(there),
      peers: this.#peers(),
      history: this.#history.samples,
      log: this.#log,
    };
  }

  #isWithdrawn(version: string): boolean {
    const { version: good, withdrawn = null } = this.#newest ?? { version };
    if (withdrawn === null) return false;
    return newerFirst(version, good) < 0 && newerFirst(version, withdrawn) >= 0;
  }

  #there(): Copy[] {
    return [...this.#copies.values()].filter(({ isThere }) => isThere);
  }

  #met({ copy: key, version, status }: WatchEvent & { type: "met" }, atMs: number): void {
    let copy = this.#copies.get(key);
    const id = key.slice(0, ID_LETTERS);
    if (copy === undefined) {
      this.#makeRoom();
      copy = { version, isThere: false, firstSeenMs: atMs, lastSeenMs: atMs, status: undefined };
      this.#copies.set(key, copy);
    }
    if (!copy.isThere) this.#say(atMs, `${id} is there, on ${version}`);
    const refusal = status?.refusal;
    if (refusal !== undefined && refusal !== copy.status?.refusal) {
      this.#say(atMs, `${id} stays on ${version}: ${refusal}`);
    }
    copy.version = version;
    copy.isThere = true;
    copy.lastSeenMs = atMs;
    // Whoever stops telling has served no less for it.
    copy.status = status ?? copy.status;
  }

  #leave(copy: Copy, atMs: number): void {
    if (!copy.isThere) return;
    copy.isThere = false;
    const [key = ""] = [...this.#copies].find(([, other]) => other === copy) ?? [];
    this.#say(atMs, `${key.slice(0, ID_LETTERS)} is gone, was on ${copy.version}`);
  }

  /** Keys cost nothing: beyond the cap those that are gone go first, then the oldest. */
  #makeRoom(): void {
    if (this.#copies.size < WATCHED_COPIES_MAX) return;
    const all = [...this.#copies];
    const [key, copy] = all.find(([, { isThere }]) => !isThere) ?? all[0] ?? [];
    if (key === undefined || copy === undefined) return;
    this.#forgottenBytes += served(copy);
    this.#copies.delete(key);
  }

  /** All on the newest: worth a line, once for each release. */
  #notice(atMs: number): void {
    const { copies, onNewest, newest } = this.rollout(atMs);
    const isComplete = copies > 1 && onNewest === copies;
    if (isComplete && !this.#isComplete) {
      this.#say(atMs, `all ${copies} copies are on ${newest?.version ?? ""}`);
    }
    this.#isComplete = isComplete;
  }

  #say(atMs: number, text: string): void {
    this.#log = [...this.#log.slice(1 - LOG_MAX), { number: ++this.#logged, atMs, text }];
  }

  #peers(): WatchedCopy[] {
    return [...this.#copies]
      .map(([key, { version, isThere, firstSeenMs, lastSeenMs, status }]) => ({
        id: key.slice(0, ID_LETTERS),
        version,
        isThere,
        firstSeenMs,
        lastSeenMs,
        servedBytes: status?.servedBytes ?? null,
        clients: status?.clients ?? null,
        refusal: status?.refusal ?? null,
      }))
      .sort(
        (a, b) =>
          Number(b.isThere) - Number(a.isThere) ||
          newerFirst(a.version, b.version) ||
          (b.servedBytes ?? 0) - (a.servedBytes ?? 0) ||
          a.id.localeCompare(b.id),
      );
  }
}

function served({ status }: Copy): number {
  return status?.servedBytes ?? 0;
}

function countsOf(copies: readonly Copy[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { version } of copies) counts[version] = (counts[version] ?? 0) + 1;
  return counts;
}

function refusalsOf(copies: readonly Copy[]): { code: string; copies: number }[] {
  const counts = new Map<string, number>();
  for (const { status } of copies) {
    const code = status?.refusal;
    if (code !== undefined) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return [...counts]
    .map(([code, number]) => ({ code, copies: number }))
    .sort((a, b) => b.copies - a.copies || a.code.localeCompare(b.code));
}

/** For sorting. */
export function newerFirst(a: string, b: string): number {
  return compareVersions(parseVersion(b), parseVersion(a));
}
