import { afterAll, beforeAll, expect, test } from "bun:test";
import { behaviours, LIARS, Matrix } from "./matrix.ts";

// All of them, with one liar and with 20, and what each costs: bun test/attacks/matrix.ts
const matrix = new Matrix();

beforeAll(() => matrix.prepare(), 60_000);
afterAll(() => matrix.remove());

test.each(["D1: a wrong piece of the right length"])(
  "the compiled program updates itself among 20 peers that do this: %s",
  async (name) => {
    expect(behaviours()).toContain(name);
    const { wireBytes } = await matrix.run(name, LIARS);
    expect(wireBytes).toBeGreaterThan(0);
  },
  60_000,
);
