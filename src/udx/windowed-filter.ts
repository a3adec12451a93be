/**
 * Minimum or maximum over a sliding window with constant memory: Kathleen Nichols' algorithm, as in Linux
 * lib/win_minmax.c and libudx src/win_filter.c. It keeps the best sample and two later runners-up, so that
 * the best can age out without the history.
 */

/** The best value of the last `window` time units; `min` and `max` differ only in what "better" means. */
export class WindowedFilter {
  private readonly sign: 1 | -1;
  private readonly times: [number, number, number] = [0, 0, 0];
  private readonly values: [number, number, number] = [0, 0, 0];
  private empty = true;

  constructor(kind: "min" | "max") {
    this.sign = kind === "max" ? 1 : -1;
  }

  /** Best value in the window, 0 before the first sample. */
  get value(): number {
    return this.values[0];
  }

  get hasValue(): boolean {
    return !this.empty;
  }

  /** Forgets everything but this sample. */
  reset(time: number, value: number): void {
    this.empty = false;
    this.times.fill(time);
    this.values.fill(value);
  }

  /** Adds a sample; times must not decrease. Returns the best value. */
  update(window: number, time: number, value: number): number {
    const { times, values } = this;
    if (this.empty || this.beats(value, values[0]) || time - times[2] > window) {
      this.reset(time, value);
      return value;
    }
    if (this.beats(value, values[1])) {
      times[1] = times[2] = time;
      values[1] = values[2] = value;
    } else if (this.beats(value, values[2])) {
      times[2] = time;
      values[2] = value;
    }
    this.age(window, time, value);
    return values[0];
  }

  private age(window: number, time: number, value: number): void {
    const { times, values } = this;
    const elapsed = time - times[0];
    if (elapsed > window) {
      // The best expired: both runners-up move up, twice when the second is too old as well.
      this.shift(time, value);
      if (time - times[0] > window) this.shift(time, value);
    } else if (times[1] === times[0] && elapsed > window / 4) {
      times[1] = times[2] = time;
      values[1] = values[2] = value;
    } else if (times[2] === times[1] && elapsed > window / 2) {
      times[2] = time;
      values[2] = value;
    }
  }

  private shift(time: number, value: number): void {
    this.times[0] = this.times[1];
    this.values[0] = this.values[1];
    this.times[1] = this.times[2];
    this.values[1] = this.values[2];
    this.times[2] = time;
    this.values[2] = value;
  }

  private beats(a: number, b: number): boolean {
    return (a - b) * this.sign >= 0;
  }
}
