import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { WindowedFilter } from "../../src/udx/windowed-filter.ts";

test("9.1.27: forgets the minimum only when the window has passed, then takes the quarter-window sample", () => {
  const filter = new WindowedFilter("min");
  const window = 300_000;
  for (let time = 0; time <= window; time++) filter.update(window, time, time);
  expect(filter.value).toBe(0);
  filter.update(window, window + 1, window + 1);
  expect(filter.value).toBe(75_001);
  filter.update(window, window + 2, 10);
  expect(filter.value).toBe(10);
});

test("a maximum follows every rise at once", () => {
  const filter = new WindowedFilter("max");
  for (let time = 0; time < 1000; time++) expect(filter.update(100, time, time)).toBe(time);
});

test("never reports a value older than the window, nor worse than the newest", () => {
  const samples = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ max: 1000, min: 0 })),
  );
  fc.assert(
    fc.property(samples, (steps) => {
      const window = 100;
      const filter = new WindowedFilter("max");
      const seen: [number, number][] = [];
      let time = 0;
      for (const [step, value] of steps) {
        time += step;
        seen.push([time, value]);
        const best = filter.update(window, time, value);
        expect(best).toBeGreaterThanOrEqual(value);
        const inWindow = seen.filter(([at]) => time - at <= window).map(([, v]) => v);
        expect(inWindow).toContain(best);
      }
    }),
  );
});
