/**
 * Which piece is asked of whom. Pure bookkeeping: every wanted chunk is pending, asked for, or done. A piece
 * is known by its first chunk; pieces never overlap.
 */
import type { Piece } from "../content/plan.ts";

export interface Ask<Who> {
  readonly piece: Piece;
  readonly who: Who;
  /** Id of the request. */
  readonly id: number;
  /** Monotonic. */
  readonly askedMs: number;
}

/** A piece asked for this long ago is asked of a second provider, when that has nothing else to do. */
const STALL_MS = 2_000;
const ASKED_MAX = 2;

export class PiecePool<Who> {
  /** Descending, so that the next one is taken from the end. */
  readonly #pending: Piece[];
  readonly #asked = new Map<number, Ask<Who>[]>();
  readonly #sizeOf: (piece: Piece) => number;

  /** `pieces` ascending. */
  constructor(pieces: readonly Piece[], sizeOf: (piece: Piece) => number) {
    this.#pending = pieces.toReversed();
    this.#sizeOf = sizeOf;
  }

  /** Pieces that are not done. */
  get left(): number {
    return this.#pending.length + this.#asked.size;
  }

  /**
   * The next piece to ask `who` for, of at most `maxBytes` or one chunk: a larger one is cut. The caller
   * then calls `asked`.
   */
  next(who: Who, nowMs: number, maxBytes: number): Piece | undefined {
    const piece = this.#pending.pop() ?? this.#stalled(who, nowMs, maxBytes);
    if (piece === undefined) return undefined;
    const { first, count } = piece;
    let fitting = count;
    while (fitting > 1 && this.#sizeOf({ first, count: fitting }) > maxBytes) fitting--;
    if (fitting === count) return piece;
    this.#pending.push({ first: first + fitting, count: count - fitting });
    return { first, count: fitting };
  }

  asked(ask: Ask<Who>): void {
    const asks = this.#asked.get(ask.piece.first);
    if (asks === undefined) this.#asked.set(ask.piece.first, [ask]);
    else asks.push(ask);
  }

  /**
   * The piece is here and checked. Returns the other asks for it, to be cancelled; undefined when it was
   * done before.
   */
  done(ask: Ask<Who>): readonly Ask<Who>[] | undefined {
    const others = this.#othersOf(ask);
    if (others !== undefined) this.#asked.delete(ask.piece.first);
    return others;
  }

  /** The ask came to nothing; unless another one is under way, the piece is pending again. */
  failed(ask: Ask<Who>): void {
    this.#end(ask, [ask.piece]);
  }

  /** The piece is too large for one answer: its halves are pending instead. */
  split(ask: Ask<Who>): void {
    const { first, count } = ask.piece;
    const half = Math.ceil(count / 2);
    const rest = { first: first + half, count: count - half };
    this.#end(ask, rest.count === 0 ? [ask.piece] : [rest, { first, count: half }]);
  }

  #end(ask: Ask<Who>, pieces: readonly Piece[]): void {
    const others = this.#othersOf(ask);
    if (others === undefined) return;
    if (others.length > 0) {
      this.#asked.set(ask.piece.first, [...others]);
      return;
    }
    this.#asked.delete(ask.piece.first);
    this.#pending.push(...pieces);
  }

  /** Undefined when the ask no longer counts. */
  #othersOf(ask: Ask<Who>): readonly Ask<Who>[] | undefined {
    const asks = this.#asked.get(ask.piece.first);
    return asks?.includes(ask) === true ? asks.filter((other) => other !== ask) : undefined;
  }

  /** A piece that is late; one that `who` could not give whole is taken away from whom it was asked of. */
  #stalled(who: Who, nowMs: number, maxBytes: number): Piece | undefined {
    for (const [first, asks] of this.#asked) {
      const [{ piece } = { piece: undefined }] = asks;
      const isStalled = asks.every(({ askedMs }) => nowMs - askedMs >= STALL_MS);
      if (piece === undefined || !isStalled || asks.length >= ASKED_MAX) continue;
      if (asks.some((ask) => ask.who === who)) continue;
      if (piece.count > 1 && this.#sizeOf(piece) > maxBytes) this.#asked.delete(first);
      return piece;
    }
    return undefined;
  }
}
