/** What there is to know about the updates of one executable, from the files beside it. Changes nothing. */
import { keyText } from "../core/keys.ts";
import type { PublicKey } from "../core/brand.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import { compareVersions, type ParsedVersion } from "../core/version.ts";
import type { ErrorInfo } from "./events.ts";
import { readLastLook, type LastLook } from "./last-look.ts";
import { pathBeside } from "../fs/own-files.ts";
import { regionDigest } from "./pending.ts";
import { readPending } from "./probation.ts";
import { readStateFile } from "./state-file.ts";
import type { TrustedState } from "./trusted-state.ts";

export interface Status {
  /** Of this executable. */
  readonly version: string;
  readonly app: string;
  /** The one that is followed. */
  readonly channel: string;
  /** z-base-32. */
  readonly owner: string;
  /** In effect at the last look; before it, the one that was stamped in. */
  readonly mode: string;
  /** Unix milliseconds; undefined when no look has ended yet, or nothing could be written down. */
  readonly checkedMs: number | undefined;
  /** Unix milliseconds; of the past when no copy runs. */
  readonly nextCheckMs: number | undefined;
  /** How the last look went: UP_TO_DATE, INSTALLED, AVAILABLE or the code of an error, with a sentence. */
  readonly result: ErrorInfo | undefined;
  /** The newest release known of, which may be this one. */
  readonly newest: { readonly version: string; readonly publishedS: number };
  /** The newest release known was tried here and could not be started, or was taken back: it stays away. */
  readonly isNewestRefused: boolean;
  /** This executable has still to prove itself. */
  readonly probation: { readonly starts: number } | undefined;
}

/** What is read from the executable itself. */
export interface StatusSubject {
  readonly path: string;
  readonly owner: PublicKey;
  readonly app: string;
  readonly channel: string;
  readonly mode: string;
  readonly version: ParsedVersion;
  /** Unix seconds. */
  readonly publishedS: number;
  readonly region: Uint8Array;
}

/** What a running copy knows better than the files, which it may not be able to write. */
export interface LiveStatus {
  readonly look: LastLook | undefined;
  readonly trusted: TrustedState;
}

export function readStatus(subject: StatusSubject, live?: LiveStatus): Status {
  const { path, owner, app, channel, version, publishedS, region } = subject;
  const look = live?.look ?? readLastLook(pathBeside(path, "status"));
  const { newest, refused } = live?.trusted ?? storedState(path, owner);
  const known = newest?.record;
  const isKnownNewer = known !== undefined && compareVersions(known.version, version) > 0;
  const pending = readPending(pathBeside(path, "pending"));
  return {
    version: version.text,
    app,
    channel,
    owner: keyText(owner),
    mode: look?.mode ?? subject.mode,
    checkedMs: look?.checkedMs,
    nextCheckMs: look?.nextMs,
    result: look?.result,
    newest: isKnownNewer
      ? { version: known.version.text, publishedS: known.publishedS }
      : { version: version.text, publishedS },
    isNewestRefused: isKnownNewer && refused.includes(known.root.toHex()),
    probation:
      pending?.region === regionDigest(region) && !pending.isGood
        ? { starts: pending.starts.length }
        : undefined,
  };
}

interface KnownState {
  readonly newest?: VerifiedRecord | undefined;
  /** Content roots, hexadecimal. */
  readonly refused: readonly string[];
}

function storedState(path: string, owner: PublicKey): KnownState {
  try {
    const stored = readStateFile(pathBeside(path, "state"), owner);
    if (stored === undefined) return { refused: [] };
    return { newest: stored.newest, refused: stored.refused.map((root) => root.toHex()) };
  } catch {
    // Another owner's or a damaged one: the next run writes it anew.
    return { refused: [] };
  }
}
