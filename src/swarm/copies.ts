import { equal, toHex } from "../core/bytes.ts";
import type { ContentRoot } from "../core/brand.ts";
import { COPIES_MAX } from "../core/limits.ts";

/**
 * How many copies say that they have one root. Claims, for people to look at: nothing rests on them. A
 * copy says so when it has fetched, and may be seen holding it after its restart under another key: it is
 * counted once by counting either the ones or the others, whichever are more.
 */
export class Copies {
  readonly #root: ContentRoot;
  readonly #fetched = new Set<string>();
  readonly #holding = new Set<string>();

  constructor(root: ContentRoot) {
    this.#root = root;
  }

  get count(): number {
    return Math.max(this.#fetched.size, this.#holding.size);
  }

  add(claim: "fetched" | "holding", key: Uint8Array, root: ContentRoot): void {
    const keys = claim === "fetched" ? this.#fetched : this.#holding;
    if (equal(root, this.#root) && keys.size < COPIES_MAX) keys.add(toHex(key));
  }
}
