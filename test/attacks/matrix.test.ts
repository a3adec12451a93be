import { afterAll, beforeAll, expect, test } from "bun:test";
import { behaviours } from "./evil.ts";
import { LIARS, Matrix } from "./matrix-world.ts";

// All of them, with one liar and with 20, floods, nobody but liars, and what each costs: bun test/attacks/matrix.ts
const matrix = new Matrix();

beforeAll(() => matrix.prepare(), 60_000);
afterAll(() => matrix.remove());

test.each(["D1: a wrong piece of the right length"])(
  "the compiled program updates itself among 20 peers that do this: %s",
  async (name) => {
    expect(behaviours()).toContain(name);
    const { wireBytes, visited } = await matrix.lies(name, LIARS);
    expect(wireBytes).toBeGreaterThan(0);
    expect(visited).toBeGreaterThan(0);
  },
  60_000,
);

test("the compiled program serves an update while others read from it without end (D10)", async () => {
  const { admitted, descriptors } = await matrix.flood("reads");
  expect(admitted).toBeGreaterThan(0);
  expect(descriptors).toBeLessThan(256);
}, 60_000);
