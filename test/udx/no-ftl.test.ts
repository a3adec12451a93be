import { expect, test } from "bun:test";
import { withoutFTL } from "../../src/udx/no-ftl.ts";

const CALLS = 3_000_000;

class Counter {
  total = 0;

  add(value: number): void {
    this.total += value & 3;
  }

  get half(): number {
    return this.total / 2;
  }
}

test("what is kept from the last compiler does what it did", () => {
  const twice = (value: number): number => 2 * value;
  withoutFTL([Counter, twice]);
  const counter = new Counter();
  for (let i = 0; i < CALLS; i++) counter.add(twice(i));
  expect(counter.half).toBe(CALLS / 2);
});

test("what has no prototype, or a prototype without methods, is left alone", () => {
  withoutFTL([{}, () => 1, Object.create(null), Math.max, function named() {}]);
});
