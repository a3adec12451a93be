/** How many copies ran which version, over time, in bounded memory. */

export interface Sample {
  readonly atMs: number;
  /** Copies by version. */
  readonly counts: Readonly<Record<string, number>>;
}

/** More points than a chart has columns. */
const SAMPLES_MAX = 600;

export class History {
  #samples: Sample[] = [];

  /** Oldest first. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /**
   * Steps need their corners only: of equal samples in a row the first and the last stay. When there are too many,
   * every other one of the older half goes.
   */
  add(sample: Sample): void {
    const [before, last] = this.#samples.slice(-2);
    const isSame =
      before !== undefined &&
      last !== undefined &&
      isEqual(before.counts, sample.counts) &&
      isEqual(last.counts, sample.counts);
    if (isSame) this.#samples.pop();
    this.#samples.push(sample);
    if (this.#samples.length <= SAMPLES_MAX) return;
    this.#samples = this.#samples.filter((_, index) => index >= SAMPLES_MAX / 2 || index % 2 === 0);
  }
}

function isEqual(a: Sample["counts"], b: Sample["counts"]): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
