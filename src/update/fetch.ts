/**
 * Steps 3 to 6 for one candidate: a temporary file becomes a verified update. The region is the one part
 * that nothing signed describes before the whole file is there: the record signs the chunks, the core's
 * hash signs the region together with them. A peer can therefore announce a region that is right in
 * everything that can be checked and wrong in the rest; step 6 finds it, that region is never taken again,
 * and another one is asked for. The chunks stay.
 */
import { CodedPieces } from "../assembly/coded-pieces.ts";
import type { Unfinished } from "../assembly/unfinished.ts";
import { ChunkPlan, chunksOf } from "../content/plan.ts";
import type { Clock } from "../core/clock.ts";
import { toHex } from "../core/bytes.ts";
import { sha256 } from "../core/hash.ts";
import { REGIONS_PER_TRY_MAX } from "../core/limits.ts";
import { Rate } from "../core/rate.ts";
import { checkRegion } from "../exe/check-region.ts";
import { canonicalStream } from "../exe/canonical.ts";
import { ExeError } from "../exe/error.ts";
import type { VerifiedFull } from "../exe/verify-executable.ts";
import type { FetchProgress } from "../swarm/fetch-options.ts";
import { turn, type Assembly } from "./assemble.ts";
import { presentBytes, spareBytes } from "./disk-space.ts";
import { UpdateError } from "./error.ts";
import type { ProgressInfo, ReleaseInfo } from "./events.ts";
import type { Installation } from "./installation.ts";
import type { ReleaseSource } from "./release-source.ts";
import type { Candidate } from "./trusted-state.ts";
import { verifyUpdate, type VerifiedUpdate } from "./verify.ts";

/** Enough for several tries; each costs a peer its place. */
const WRONG_REGIONS_MAX = 64;
/** Progress is told at most this often. */
const PROGRESS_EVERY_MS = 250;

export interface FetchContext {
  readonly installation: Installation;
  /** The running executable: whose owner key counts, and which chunks are here already. */
  readonly own: VerifiedFull;
  readonly source: ReleaseSource;
  readonly clock: Clock;
  readonly onProgress: (progress: DownloadProgress) => void;
}

export type DownloadProgress = Omit<ProgressInfo, keyof ReleaseInfo>;

export class Fetcher {
  readonly #context: FetchContext;
  /** Digests of regions that turned out to be wrong, oldest first. */
  readonly #wrongRegions = new Set<string>();
  /** Off once a chunk of ours was not what its table says: then everything is fetched. */
  #isLocalUsed = true;
  /** What the file was last begun for, which another release may take over from. */
  #unfinished: Unfinished | undefined;

  constructor(context: FetchContext) {
    this.#context = context;
  }

  /**
   * @throws {SwarmError} when nobody gave what is missing; STOPPED by the signal
   * @throws {FsError} {@link Assembly}
   * @throws {UpdateError} LOCAL_CHUNK_CHANGED, NOT_AS_ANNOUNCED
   * @throws {ExeError} when no region leads to a valid executable
   */
  async fill(
    assembly: Assembly,
    candidate: Candidate,
    signal: AbortSignal,
  ): Promise<VerifiedUpdate> {
    let region = await this.#fetchContent(assembly, candidate, signal);
    for (let tries = 1; ; tries++) {
      assembly.writeRegion(region);
      try {
        return verifyUpdate(assembly, candidate, region, candidate.owner);
      } catch (cause) {
        // Step 6: every error is a refusal of this file; the only question is whose fault it was.
        if (!(cause instanceof ExeError) || tries >= REGIONS_PER_TRY_MAX) throw cause;
        this.#remember(region);
        region = await this.region(candidate, signal);
      }
    }
  }

  async #fetchContent(
    assembly: Assembly,
    candidate: Candidate,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { own, source, installation } = this.#context;
    /** Chunks that are in the file. */
    let held = new Set<number>();
    const stream = canonicalStream(installation.source, own.offset);
    const local = this.#isLocalUsed ? { table: own.table, stream } : undefined;
    let plan: ChunkPlan | undefined;
    const { region, table } = await source.fetch(candidate, {
      checkRegion: (bytes) => this.#checkRegion(bytes, candidate),
      local,
      missing: async (wanted) => {
        plan = new ChunkPlan(wanted, local?.table);
        held = await assembly.recover(wanted, plan.missing, this.#unfinished, () => turn(signal));
        this.#unfinished = { table: wanted, regionOffset: candidate.record.regionOffset };
        return plan.missing.filter((index) => !held.has(index));
      },
      onPiece: (piece, bytes) => {
        assembly.write(piece.offset, bytes);
        for (const index of chunksOf(piece)) held.add(index);
      },
      written: () => ({
        stream: assembly.stream(),
        chunks: held,
        keepCoded: () => codedPiecesOf(installation, candidate.record.lengthBytes),
      }),
      onProgress: this.#reporter(),
      signal,
    });
    try {
      plan ??= new ChunkPlan(table, undefined);
      await assembly.copyLocal(table, plan, held, stream, signal);
    } catch (cause) {
      if (cause instanceof UpdateError && cause.code === "LOCAL_CHUNK_CHANGED") {
        this.#isLocalUsed = false;
      }
      throw cause;
    }
    return region;
  }

  /** Steps 3 and 4 for the region alone. @throws {SwarmError} */
  async region(candidate: Candidate, signal: AbortSignal): Promise<Uint8Array> {
    const { region } = await this.#context.source.fetch(candidate, {
      checkRegion: (bytes) => this.#checkRegion(bytes, candidate),
      missing: () => [],
      onPiece: () => undefined,
      signal,
    });
    return region;
  }

  #checkRegion(region: Uint8Array, candidate: Candidate): void {
    checkRegion(candidate.owner, region, candidate);
    if (this.#wrongRegions.has(toHex(sha256(region)))) {
      throw new UpdateError("NOT_AS_ANNOUNCED", "this region does not lead to a valid executable", {
        blame: "peer",
      });
    }
  }

  #remember(region: Uint8Array): void {
    const [oldest] = this.#wrongRegions;
    if (this.#wrongRegions.size >= WRONG_REGIONS_MAX && oldest !== undefined) {
      this.#wrongRegions.delete(oldest);
    }
    this.#wrongRegions.add(toHex(sha256(region)));
  }

  #reporter(): (progress: FetchProgress) => void {
    const { clock, onProgress } = this.#context;
    const [fetched, received] = [new Rate(clock), new Rate(clock)];
    let toldMs = -Infinity;
    return ({ fetchedBytes, wireBytes, reusedBytes, totalBytes, providers }) => {
      const toFetchBytes = totalBytes - reusedBytes;
      const { leftS } = fetched.at(fetchedBytes, toFetchBytes);
      const { bytesPerS } = received.at(wireBytes, toFetchBytes);
      const nowMs = clock.monotonicMs();
      if (fetchedBytes < toFetchBytes && nowMs - toldMs < PROGRESS_EVERY_MS) return;
      toldMs = nowMs;
      onProgress({
        doneBytes: fetchedBytes,
        totalBytes: toFetchBytes,
        reusedBytes,
        wireBytes,
        bytesPerSecond: Math.round(bytesPerS),
        providers,
        ...(leftS === undefined ? {} : { secondsLeft: leftS }),
      });
    };
  }
}

/** Undefined where there is no room for them: then pieces are compressed anew for whoever asks. */
function codedPiecesOf(
  { directory, partialPath, temporaryBase }: Installation,
  sizeBytes: number,
): CodedPieces | undefined {
  try {
    const roomBytes = spareBytes(directory, sizeBytes, presentBytes(partialPath));
    if (roomBytes === 0) return undefined;
    return CodedPieces.beside(temporaryBase, Math.min(sizeBytes, roomBytes));
  } catch {
    // The directory may be gone while we run: no reason to fail whoever asks for a piece.
    return undefined;
  }
}
