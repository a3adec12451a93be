/**
 * Which block is asked of whom. Pure bookkeeping: every wanted block is pending, asked for, or done.
 */
export interface Ask<Who> {
  readonly index: number;
  readonly who: Who;
  /** Id of the request. */
  readonly id: number;
  /** Monotonic. */
  readonly askedMs: number;
}

/** A block asked for this long ago is asked of a second provider, when that has nothing else to do. */
const STALL_MS = 2_000;
const ASKED_MAX = 2;

export class BlockPool<Who> {
  /** Descending, so that the next one is taken from the end. */
  readonly #pending: number[];
  readonly #asked = new Map<number, Ask<Who>[]>();

  constructor(indexes: readonly number[]) {
    this.#pending = [...new Set(indexes)].sort((a, b) => b - a);
  }

  /** Blocks that are not done. */
  get left(): number {
    return this.#pending.length + this.#asked.size;
  }

  /** The next block to ask `who` for; the caller then calls `asked`. */
  next(who: Who, nowMs: number): number | undefined {
    return this.#pending.pop() ?? this.#stalled(who, nowMs);
  }

  asked(ask: Ask<Who>): void {
    const asks = this.#asked.get(ask.index);
    if (asks === undefined) this.#asked.set(ask.index, [ask]);
    else asks.push(ask);
  }

  /**
   * The block is here and checked. Returns the other asks for it, to be cancelled; undefined when it was
   * done before.
   */
  done(ask: Ask<Who>): readonly Ask<Who>[] | undefined {
    const asks = this.#asked.get(ask.index);
    if (asks === undefined || !asks.includes(ask)) return undefined;
    this.#asked.delete(ask.index);
    return asks.filter((other) => other !== ask);
  }

  /** The ask came to nothing; unless another one is under way, the block is pending again. */
  failed(ask: Ask<Who>): void {
    const asks = this.#asked.get(ask.index);
    if (asks === undefined || !asks.includes(ask)) return;
    const others = asks.filter((other) => other !== ask);
    if (others.length > 0) {
      this.#asked.set(ask.index, others);
      return;
    }
    this.#asked.delete(ask.index);
    this.#pending.push(ask.index);
  }

  #stalled(who: Who, nowMs: number): number | undefined {
    for (const [index, asks] of this.#asked) {
      const isStalled = asks.every(({ askedMs }) => nowMs - askedMs >= STALL_MS);
      if (isStalled && asks.length < ASKED_MAX && asks.every((ask) => ask.who !== who))
        return index;
    }
    return undefined;
  }
}
