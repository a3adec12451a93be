/**
 * Old streams that deltas are made against: what we serve, and the version before it. Nothing is read of
 * one before somebody asks; then it is read in slices, between which others are served.
 */
import type { ContentRoot } from "../core/brand.ts";
import { equal, toHex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { ByteSource } from "../core/source.ts";
import { inTurns } from "../core/turns.ts";
import { DeltaIndex } from "../content/delta-index.ts";
import { ChunkTable } from "../content/table.ts";

export interface Base {
  readonly root: ContentRoot;
  /** The canonical stream; read from a descriptor that stays open. */
  readonly stream: ByteSource;
  /** Absent: computed when it is needed, and then the root is checked. */
  readonly table?: ChunkTable;
  /** 4096 bytes. Present: given to whoever asks which release this is. */
  readonly region?: Uint8Array;
}

/** An index takes 16 MiB: it goes when nobody has needed it for this long. */
const INDEX_IDLE_MS = 60_000;

interface Indexed {
  readonly root: ContentRoot;
  readonly index: Promise<DeltaIndex | undefined>;
}

export class Bases {
  readonly #clock: Clock;
  readonly #byRoot = new Map<string, Base>();
  readonly #tables = new Map<string, Promise<ChunkTable | undefined>>();
  /** One at a time: whoever updates now mostly has the same old version. */
  #indexed: Indexed | undefined;
  #cancelDrop: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get roots(): ContentRoot[] {
    return [...this.#byRoot.values()].map(({ root }) => root);
  }

  add(base: Base): void {
    this.#byRoot.set(toHex(base.root), base);
  }

  /** Undefined when it is not here, cannot be read, or is not what its root says. */
  table(root: ContentRoot): Promise<ChunkTable | undefined> {
    const id = toHex(root);
    const base = this.#byRoot.get(id);
    if (base === undefined) return Promise.resolve(undefined);
    let table = this.#tables.get(id);
    if (table === undefined) {
      table = base.table === undefined ? this.#compute(base) : Promise.resolve(base.table);
      this.#tables.set(id, table);
    }
    return table;
  }

  /** Undefined as above. */
  async index(root: ContentRoot): Promise<DeltaIndex | undefined> {
    if ((await this.table(root)) === undefined) return undefined;
    const base = this.#byRoot.get(toHex(root));
    if (base === undefined) return undefined;
    if (this.#indexed === undefined || !equal(this.#indexed.root, root)) {
      this.#indexed = { root, index: readable(DeltaIndex.inSlices(base.stream)) };
    }
    this.#cancelDrop?.();
    this.#cancelDrop = this.#clock.after(INDEX_IDLE_MS, () => (this.#indexed = undefined));
    return this.#indexed.index;
  }

  /** Ends nothing but a timer. */
  destroy(): void {
    this.#cancelDrop?.();
  }

  async #compute(base: Base): Promise<ChunkTable | undefined> {
    const table = await readable(ChunkTable.inSlices(base.stream));
    if (table !== undefined && equal(table.root, base.root)) return table;
    this.#byRoot.delete(toHex(base.root));
    return undefined;
  }
}

async function readable<T>(steps: Generator<void, T>): Promise<T | undefined> {
  try {
    return await inTurns(steps);
  } catch {
    // A disk that fails, or a file cut short: what we cannot read we do not have.
    return undefined;
  }
}
