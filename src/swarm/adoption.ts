/**
 * Which share of the copies has a release. Of those that were met in the last minutes: a copy that was not
 * met again is gone, or came back under another key. Claims, for people to look at: nothing rests on them.
 */
import type { ContentRoot } from "../core/brand.ts";
import { toHex } from "../core/bytes.ts";
import { COPIES_MAX } from "../core/limits.ts";

/** Several rounds of meeting some copies, in which a restart is forgotten. */
const WINDOW_MS = 120_000;

interface Meeting {
  readonly atMs: number;
  readonly hasIt: boolean;
}

export class Adoption {
  readonly #root: string;
  readonly #windowMs: number;
  /** By the copy's key in hexadecimal; the longest ago first. */
  readonly #met = new Map<string, Meeting>();

  constructor(root: ContentRoot, windowMs: number = WINDOW_MS) {
    this.#root = toHex(root);
    this.#windowMs = windowMs;
  }

  /** `roots` are those that the copy names in its welcome: what it runs or serves, and what it knows the difference to. */
  meet(key: Uint8Array, roots: readonly string[], atMs: number): void {
    const id = toHex(key);
    this.#met.delete(id);
    if (this.#met.size < COPIES_MAX) {
      this.#met.set(id, { atMs, hasIt: roots.includes(this.#root) });
    }
    this.#forget(atMs);
  }

  /** Copies met in the last two minutes. */
  met(nowMs: number): number {
    this.#forget(nowMs);
    return this.#met.size;
  }

  /** 0 to 100, rounded down; undefined when nobody was met. */
  percent(nowMs: number): number | undefined {
    const met = this.met(nowMs);
    if (met === 0) return undefined;
    const having = [...this.#met.values()].filter(({ hasIt }) => hasIt).length;
    return Math.floor((having * 100) / met);
  }

  #forget(nowMs: number): void {
    for (const [id, { atMs }] of this.#met) {
      if (nowMs - atMs <= this.#windowMs) return;
      this.#met.delete(id);
    }
  }
}
