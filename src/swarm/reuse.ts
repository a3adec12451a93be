/**
 * What a piece is asked for against. Best is a provider who has the version that is installed here as well:
 * it sends differences to any place of it. Others are sent a sketch of the bytes that resemble the piece.
 */
import type { ContentRoot } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { CHUNK_MAX_BYTES, PIECE_MAX_BYTES, PLAIN_PIECE_MAX_BYTES } from "../core/limits.ts";
import { memorySource, type ByteSource } from "../core/source.ts";
import type { Content } from "../content/content.ts";
import { decodePiece, decodePieceElsewhere } from "../content/piece.ts";
import { ChunkPlan, type Piece } from "../content/plan.ts";
import { sketchOf, type SketchGrain } from "../content/sketch.ts";
import { ChunkTable, type ByteRange } from "../content/table.ts";
import { SwarmError } from "./error.ts";
import type { RemoteProvider } from "./remote-provider.ts";

/** What was named in a request. */
export interface OldContent {
  readonly base: ContentRoot | undefined;
  readonly sketch: Uint8Array;
  readonly source: ByteSource | undefined;
}

const NOTHING: OldContent = { base: undefined, sketch: new Uint8Array(0), source: undefined };
/** When more than this is missing, the edits are all over it, and small blocks find more than they cost. */
const FINE_FROM_BYTES = 512 * 1024;
/** When more than this share is missing, everything has moved, and sketches cost more than they save. */
const SKETCH_SHARE = 0.25;

type Who = Pick<RemoteProvider, "hasRoot">;

export class Reuse {
  readonly #table: ChunkTable;
  readonly #plan: ChunkPlan;
  readonly #isSketching: boolean;
  readonly #grain: SketchGrain;
  #local: Content | undefined;
  #isIntact: boolean | undefined;
  /** First chunks of pieces whose sketch led nowhere: to be asked for as they are. */
  readonly #plain = new Set<number>();
  /** Who has sent a good piece. */
  readonly #proven = new WeakSet<Who>();
  /** Whom a sketch has led nowhere with. It happens to an honest one, but not twice. */
  readonly #excused = new WeakSet<Who>();

  constructor(table: ChunkTable, local: Content | undefined, missingBytes: number) {
    this.#table = table;
    this.#local = local;
    this.#plan = new ChunkPlan(table, local?.table);
    this.#grain = missingBytes > FINE_FROM_BYTES ? "fine" : "coarse";
    this.#isSketching = missingBytes <= SKETCH_SHARE * table.lengthBytes;
  }

  /** Is anything here that differences can be made to? */
  get isLocal(): boolean {
    return this.#local !== undefined;
  }

  /** Can it send differences to what is installed here? */
  canDiffer(provider: Who): boolean {
    return this.#local !== undefined && provider.hasRoot(this.#local.table.root);
  }

  /** Of the pieces that the stream is cut into. */
  get pieceBytes(): number {
    return this.isLocal ? PIECE_MAX_BYTES : PLAIN_PIECE_MAX_BYTES;
  }

  /** Where it is in the stream. */
  rangeOf({ first, count }: Piece): ByteRange {
    return this.#table.rangeOf(first, count);
  }

  /** Of one piece. Little from who has not yet sent anything good: that much is lost by a lie. */
  maxBytes(provider: Who): number {
    if (this.canDiffer(provider)) return PIECE_MAX_BYTES;
    return this.#isSketching || !this.#proven.has(provider) ? CHUNK_MAX_BYTES : PIECE_MAX_BYTES;
  }

  oldFor(provider: Who, piece: Piece): OldContent {
    const local = this.#local;
    if (local === undefined || this.#plain.has(piece.first)) return NOTHING;
    if (this.canDiffer(provider)) {
      return { base: local.table.root, sketch: NOTHING.sketch, source: local.stream };
    }
    const near = this.#isSketching ? this.#plan.resembling(piece) : undefined;
    if (near === undefined) return NOTHING;
    const bytes = local.stream.read(near.offset, near.sizeBytes).slice();
    return { base: undefined, sketch: sketchOf(bytes, this.#grain), source: memorySource(bytes) };
  }

  /**
   * For `decode`, what another thread can do of it; undefined: nothing. The two are apart so that a piece is verified and
   * written in one go. Rejects with a ContentError.
   */
  inflate(piece: Piece, coded: Uint8Array): Promise<Uint8Array> | undefined {
    return decodePieceElsewhere(coded, this.rangeOf(piece).sizeBytes);
  }

  /**
   * The verified bytes of a piece, of which `inflated` is what `inflate` made.
   * @throws {SwarmError} LIE, when nobody but the provider can be wrong @throws {ContentError}
   */
  decode(
    provider: Who,
    piece: Piece,
    coded: Uint8Array,
    old: OldContent,
    inflated?: Uint8Array,
  ): Uint8Array | "too-large" | "our-fault" {
    const { first, count } = piece;
    const { sizeBytes } = this.rangeOf(piece);
    try {
      const bytes = inflated ?? decodePiece(coded, sizeBytes, old.source);
      if (bytes === undefined) return "too-large";
      if (this.#table.areChunks(first, count, bytes)) {
        this.#proven.add(provider);
        return bytes;
      }
    } catch (cause) {
      // Differences to other bytes than were meant need not even be readable.
      if (this.#isOurFault(provider, piece, old)) return "our-fault";
      throw cause;
    }
    if (this.#isOurFault(provider, piece, old)) return "our-fault";
    throw new SwarmError("LIE", "the provider sent chunks that are not under the signed root", {
      blame: "peer",
      index: first,
    });
  }

  /** Two blocks with one short hash, or an installed file that was changed after its table was made. */
  #isOurFault(provider: Who, piece: Piece, old: OldContent): boolean {
    if (old.source === undefined) return false;
    if (old.base === undefined) {
      this.#plain.add(piece.first);
      if (this.#excused.has(provider)) return false;
      this.#excused.add(provider);
      return true;
    }
    this.#isIntact ??= this.#checkLocal();
    if (this.#isIntact) return false;
    this.#local = undefined;
    return true;
  }

  #checkLocal(): boolean {
    const local = this.#local;
    if (local === undefined) return false;
    return equal(ChunkTable.ofStream(local.stream).root, local.table.root);
  }
}
