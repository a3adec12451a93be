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

/** What somebody can give. */
export interface Offer {
  /** Chunks it has. */
  readonly has: (chunk: number) => boolean;
  /** Of one piece. */
  readonly maxBytes: number;
}

export interface PoolOptions {
  readonly sizeOf: (piece: Piece) => number;
  /** How many of those we know have a chunk. */
  readonly copiesOf?: (chunk: number) => number;
  /** From 0 to 1, 1 excluded. */
  readonly random?: () => number;
}

/**
 * A piece that has not come for so long is asked of one more who has nothing else to do, after twice the
 * time of two more, then of four: a liar is passed over soon, however many there are of them.
 */
const STALL_MS = 2_000;
/** Pieces looked at for the rarest one: enough to find it often, whatever the number of pieces. */
const CANDIDATES = 16;

export class PiecePool<Who> {
  readonly #pending: Piece[];
  readonly #asked = new Map<number, Ask<Who>[]>();
  readonly #options: Required<PoolOptions>;

  constructor(pieces: readonly Piece[], options: PoolOptions) {
    this.#pending = [...pieces];
    this.#options = { copiesOf: () => 0, random: Math.random, ...options };
  }

  /** Pieces that are not done. */
  get left(): number {
    return this.#pending.length + this.#asked.size;
  }

  /**
   * The next piece to ask `who` for, of at most `maxBytes` or one chunk: a larger one is cut. Rare ones come
   * first, and among those a random one: getters that share a provider fetch different pieces, and then
   * have something for each other. The caller then calls `asked`.
   */
  next(who: Who, nowMs: number, offer: Offer): Piece | undefined {
    const at = this.#rarest(offer);
    const piece = at === undefined ? this.#late(who, nowMs, offer) : this.#remove(at);
    if (piece === undefined) return undefined;
    const { first, count } = piece;
    const fitting = this.#fitting(piece, offer);
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

  #remove(at: number): Piece | undefined {
    const piece = this.#pending[at];
    const last = this.#pending.pop();
    if (last !== undefined && at < this.#pending.length) this.#pending[at] = last;
    return piece;
  }

  /** Index of a pending piece whose beginning it has. */
  #rarest({ has }: Offer): number | undefined {
    const { length } = this.#pending;
    const { copiesOf, random } = this.#options;
    const start = Math.floor(random() * length);
    let best: number | undefined;
    let fewest = Infinity;
    for (let step = 0, seen = 0; step < length && seen < CANDIDATES; step++) {
      const at = (start + step) % length;
      const first = this.#pending[at]?.first;
      if (first === undefined || !has(first)) continue;
      seen++;
      const copies = copiesOf(first);
      if (copies < fewest) [best, fewest] = [at, copies];
      // Nobody else has it: there is no rarer one.
      if (copies <= 1) break;
    }
    return best;
  }

  /** Chunks from the beginning of the piece that it has and that fit. */
  #fitting({ first, count }: Piece, { has, maxBytes }: Offer): number {
    let held = 1;
    while (held < count && has(first + held)) held++;
    while (held > 1 && this.#options.sizeOf({ first, count: held }) > maxBytes) held--;
    return held;
  }

  /** A piece that is late; one that `who` could not give whole is taken away from whom it was asked of. */
  #late(who: Who, nowMs: number, offer: Offer): Piece | undefined {
    for (const [first, asks] of this.#asked) {
      const [{ piece, askedMs } = { piece: undefined, askedMs: nowMs }] = asks;
      const stalls = Math.floor((nowMs - askedMs) / STALL_MS);
      if (piece === undefined || asks.length >= 2 ** stalls || !offer.has(first)) continue;
      if (asks.some((ask) => ask.who === who)) continue;
      if (this.#fitting(piece, offer) < piece.count) this.#asked.delete(first);
      return piece;
    }
    return undefined;
  }
}
