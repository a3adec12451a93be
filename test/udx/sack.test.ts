import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { isSackBlockValid } from "../../src/udx/sack.ts";

test("admits exactly the non-empty blocks within what is outstanding", () => {
  const near = fc.integer({ min: -20, max: 40 });
  const origin = fc.constantFrom(0, -10, 0x7fff_fff0, -0x8000_0000);
  fc.assert(
    fc.property(origin, near, near, fc.integer({ min: 0, max: 30 }), (una, start, end, out) => {
      const valid = isSackBlockValid((una + start) | 0, (una + end) | 0, una, (una + out) | 0);
      expect(valid).toBe(start >= 0 && start < end && end <= out);
    }),
  );
});

test("refuses a block half the number space long, which three pairwise comparisons let pass", () => {
  // Found by the mutated datagrams of hostile.test.ts: one packet kept the process busy for seconds.
  expect(isSackBlockValid(0x4000_0000, 0xa000_0000 | 0, 5, 6)).toBe(false);
  const anything = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(
      anything,
      anything,
      anything,
      fc.integer({ min: 0, max: 5000 }),
      (s, e, una, out) => {
        if (isSackBlockValid(s, e, una, (una + out) | 0))
          expect((e - s) | 0).toBeLessThanOrEqual(out);
      },
    ),
  );
});
