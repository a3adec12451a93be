/** Step 2, to whoever listens: which release was found, once, and what its owner has to say of it. */
import type { VerifiedRecord } from "../core/release-record.ts";
import { decodeRegion } from "../exe/full-region.ts";
import { notesIn } from "../exe/notes.ts";
import { REGION_BYTES } from "../exe/region.ts";
import type { UpdateContext } from "./context.ts";
import type { ReleaseInfo } from "./events.ts";
import type { Candidate } from "./trusted-state.ts";

/** For a region, two kilobytes, from peers that are about to be asked for more. */
const NOTES_TIMEOUT_MS = 5_000;

export class Announcements {
  readonly #context: UpdateContext;
  readonly #region: (candidate: Candidate, signal: AbortSignal) => Promise<Uint8Array>;
  /** Content root of the release that was last told of. */
  #announced = "";
  /** Of that release. */
  #notes: string | undefined;

  /** `region` fetches that of a release from any peer, checked. */
  constructor(
    context: UpdateContext,
    region: (candidate: Candidate, signal: AbortSignal) => Promise<Uint8Array>,
  ) {
    this.#context = context;
    this.#region = region;
  }

  /** Tells of a release, unless it is the one that was told of last. */
  async announce(candidate: Candidate, stop: AbortSignal): Promise<void> {
    const root = candidate.record.root.toHex();
    if (this.#announced === root) return;
    this.#announced = root;
    this.#notes = undefined;
    if (candidate.record.x.notes !== undefined) {
      this.#notes = await this.#fetchNotes(candidate, stop);
    }
    this.#tell(candidate);
  }

  /** What may be told of a release. */
  infoOf({ record }: VerifiedRecord): ReleaseInfo {
    const { version, lengthBytes, publishedS, x } = record;
    const isAnnounced = record.root.toHex() === this.#announced;
    return {
      version: version.text,
      sizeBytes: lengthBytes + REGION_BYTES,
      publishedS,
      critical: x.isCritical === true,
      ...(isAnnounced && this.#notes !== undefined && { notes: this.#notes }),
    };
  }

  #tell(candidate: Candidate): void {
    const { state, emit, log } = this.#context;
    const release = this.infoOf(candidate);
    if (!state.trusted.isWithdrawn) return emit({ name: "available", release });
    const version = state.trusted.installed.text;
    emit({ name: "withdrawn", version, release });
    log("warn", `version ${version} was withdrawn by its owner; going back to ${release.version}`);
  }

  /** What nobody gives soon is left out: an update does not wait for its description. */
  async #fetchNotes(candidate: Candidate, stop: AbortSignal): Promise<string | undefined> {
    const { clock } = this.#context;
    const timeout = new AbortController();
    const cancel = clock.after(NOTES_TIMEOUT_MS, () => timeout.abort());
    try {
      const signal = AbortSignal.any([stop, timeout.signal]);
      const { extension } = decodeRegion(await this.#region(candidate, signal));
      return extension && notesIn(extension, candidate.record);
    } catch {
      // The download says what is wrong with the peers, if something is.
      return undefined;
    } finally {
      cancel();
    }
  }
}
