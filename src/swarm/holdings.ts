import type { ContentRoot } from "../core/brand.ts";
import { equal, release, toHex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import {
  CHUNK_MAX_BYTES,
  DELTA_CACHE_MAX_BYTES,
  PIECE_MAX_BYTES,
  ROOTS_MAX,
  TABLE_PAGE_MAX_BYTES,
} from "../core/limits.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
import { encodePage } from "../content/outline.ts";
import { encodePiece } from "../content/piece.ts";
import { encodeAgainstSketch } from "../content/sketch.ts";
import type { PieceStore } from "../content/piece-store.ts";
import { chunksOf, type Piece } from "../content/plan.ts";
import type { ChunkTable } from "../content/table.ts";
import { Bases, type Base } from "./bases.ts";
import { DeltaCache } from "./delta-cache.ts";
import type { Have } from "./have.ts";
import type { ContentRequest, ErrorReason } from "./messages.ts";

/** One verified executable that we give to others. */
export interface Holding {
  readonly record: VerifiedRecord;
  /** 4096 bytes. */
  readonly region: Uint8Array;
  /** The canonical stream. Read by ranges, from a descriptor that stays open: never from the path. */
  readonly stream: ByteSource;
  readonly table: ChunkTable;
  /** For who has nothing of it. Absent: each is sent what is compressed for it alone. */
  readonly coded?: PieceStore | undefined;
}

type TableRequest = Extract<ContentRequest, { type: "table" }>;
type PieceRequest = Extract<ContentRequest, { type: "piece" }>;

/** A release that is still being fetched. */
export interface Partial {
  readonly table: ChunkTable;
  readonly stream: ByteSource;
  /** Chunks that are in the stream, each checked. */
  readonly have: Have;
  /** Called when there is somebody to pass pieces on to. */
  readonly keepCoded?: (() => PieceStore | undefined) | undefined;
}

/** What we serve, by content root, and what we can tell the difference to. */
export class Holdings {
  readonly #byRoot = new Map<string, Holding>();
  #partial: Partial | undefined;
  #isFollowed = false;
  /** Of what we are still fetching. */
  #coded: PieceStore | undefined;
  /** Of bases. */
  readonly #regions = new Map<string, Uint8Array>();
  readonly #bases: Bases;
  readonly #deltas = new DeltaCache(DELTA_CACHE_MAX_BYTES);

  constructor(clock: Clock) {
    this.#bases = new Bases(clock);
  }

  get isEmpty(): boolean {
    return this.#byRoot.size === 0 && this.#partial === undefined;
  }

  /** What a client may name; the latest of them. */
  get roots(): readonly ContentRoot[] {
    return this.#bases.roots.slice(-ROOTS_MAX);
  }

  /** What we are still fetching, for others to have in part; undefined: no longer. */
  setPartial(partial: Partial | undefined): void {
    this.#coded?.close();
    this.#coded = undefined;
    this.#partial = partial;
    this.#isFollowed = false;
  }

  /** What a client may follow: what there is of this root. */
  partOf(root: ContentRoot): Have | undefined {
    const partial = this.#partial;
    if (partial === undefined || !equal(partial.table.root, root)) return undefined;
    if (!this.#isFollowed) this.#coded = partial.keepCoded?.();
    this.#isFollowed = true;
    return partial.have;
  }

  /**
   * A piece that has come to us and was right, as it came: good for whoever needs the same. `base` is what it is the
   * difference to, if it is one; others are remembered for those who follow, who ask first for what few have yet. Copied.
   */
  remember(
    base: ContentRoot | undefined,
    root: ContentRoot,
    piece: Piece,
    coded: Uint8Array,
  ): void {
    if (base === undefined) {
      if (!this.#isFollowed) return;
      if (this.#coded !== undefined) return this.#coded.set(piece, coded);
    }
    this.#deltas.set(answerKey(base, root, piece), coded.slice());
  }

  add(holding: Holding): void {
    const { table, stream } = holding;
    this.#byRoot.set(toHex(table.root), holding);
    this.#bases.add({ root: table.root, stream, table });
  }

  /** Something that others may still have, to make deltas against. Of itself no more than its region is served. */
  addBase(base: Base): void {
    this.#bases.add(base);
    if (base.region !== undefined) this.#regions.set(toHex(base.root), base.region);
  }

  destroy(): void {
    this.setPartial(undefined);
    this.#bases.destroy();
  }

  /** The bytes asked for, the caller's own, or why there are none. */
  async answer(request: ContentRequest): Promise<Uint8Array | ErrorReason> {
    const partial = this.#partial;
    if (partial !== undefined && equal(partial.table.root, request.root)) {
      return this.#fromPartial(partial, request);
    }
    const holding = this.#byRoot.get(toHex(request.root));
    if (holding === undefined) {
      const region = request.type === "region" && this.#regions.get(toHex(request.root));
      return region instanceof Uint8Array ? encodePiece(region) : "not-held";
    }
    try {
      switch (request.type) {
        case "region":
          return encodePiece(holding.region);
        case "table":
          return await this.#page(holding, request);
        case "piece":
          return await this.#piece(holding, request);
      }
    } catch {
      // A disk that fails is our own trouble: the client goes elsewhere, it is told no details.
      return "unavailable";
    }
  }

  /**
   * Without waiting for anything: the file may be gone a moment later. No region: it is the one thing that
   * cannot be checked before the file is whole, and who passes on a wrong one would be taken for its author.
   */
  #fromPartial(partial: Partial, request: ContentRequest): Uint8Array | ErrorReason {
    if (request.type !== "piece") return "not-held";
    const { table, have, stream } = partial;
    const { root, first, count, base } = request;
    if (first + count > table.count) return "out-of-range";
    if (!chunksOf(request).every((chunk) => have.has(chunk))) return "not-held";
    const { offset, sizeBytes } = table.rangeOf(first, count);
    if (sizeBytes > PIECE_MAX_BYTES) return "out-of-range";
    const known = base === undefined ? undefined : this.#deltas.get(answerKey(base, root, request));
    const kept = known ?? this.#deltas.get(answerKey(undefined, root, request));
    if (kept !== undefined) return kept.slice();
    const stored = this.#coded?.get(request);
    if (stored !== undefined) return stored;
    try {
      const answer = encodePiece(stream.read(offset, sizeBytes));
      this.#coded?.set(request, answer);
      return answer;
    } catch {
      return "unavailable";
    }
  }

  async #page(
    { table }: Holding,
    { first, base, listed }: TableRequest,
  ): Promise<Uint8Array | ErrorReason> {
    if (first >= table.runCount) return "out-of-range";
    if (base === undefined) return encodePage(table, first, listed, TABLE_PAGE_MAX_BYTES);
    const old = await this.#bases.table(base);
    if (old === undefined) return new Uint8Array(0);
    return encodePage(table, first, old, TABLE_PAGE_MAX_BYTES);
  }

  async #piece(
    { table, stream, coded }: Holding,
    { root, first, count, base, sketch }: PieceRequest,
  ): Promise<Uint8Array | ErrorReason> {
    if (first + count > table.count) return "out-of-range";
    const { offset, sizeBytes } = table.rangeOf(first, count);
    if (sizeBytes > PIECE_MAX_BYTES) return "out-of-range";
    if (base !== undefined) {
      const key = answerKey(base, root, { first, count });
      const known = this.#deltas.get(key);
      if (known !== undefined) return known.slice();
      const index = await this.#bases.index(base);
      if (index !== undefined) {
        const piece = stream.read(offset, sizeBytes).slice();
        const answer = encodePiece(piece, index.encode(piece));
        this.#deltas.set(key, answer);
        release(piece);
        return answer.slice();
      }
    }
    if (sketch.length > 0 && sizeBytes <= CHUNK_MAX_BYTES) {
      const piece = stream.read(offset, sizeBytes);
      return encodePiece(piece, encodeAgainstSketch(piece, sketch));
    }
    const known = coded?.get({ first, count });
    if (known !== undefined) return known;
    const answer = encodePiece(stream.read(offset, sizeBytes));
    coded?.set({ first, count }, answer);
    return answer;
  }
}

function answerKey(
  base: ContentRoot | undefined,
  root: ContentRoot,
  { first, count }: Piece,
): string {
  return `${base === undefined ? "" : toHex(base)} ${toHex(root)} ${first} ${count}`;
}
