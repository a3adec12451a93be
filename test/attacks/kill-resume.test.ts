import { expect, test } from "bun:test";
import { PIECE_MAX_BYTES } from "../../src/core/limits.ts";
import { killGetters } from "./kill-getter.ts";
import { killAndResume } from "./kill-resume.ts";

// 50 kills of each kind and their figures: bun test/attacks/kill-resume.ts
const seed = Math.floor(Math.random() * 2 ** 32);

test("a kill loses one piece of what was verified, at most, and nothing else is fetched again", async () => {
  console.log(`seed ${seed}`);
  const { lostBytes, againBytes, verifiedBytes, unordered } = await killGetters(3, 3, seed);
  expect(verifiedBytes).toBeGreaterThan(0);
  expect(Math.max(...lostBytes)).toBeLessThanOrEqual(PIECE_MAX_BYTES);
  expect(againBytes).toEqual([lostBytes.reduce((sum, bytes) => sum + bytes, 0)]);
  expect(unordered).toBe(0);
}, 60_000);

test("killed at random points of a download, a program goes on where it was, and only what was under way is sent again", async () => {
  console.log(`seed ${seed}`);
  const { complete, forgottenBytes, lost, twice, needed, ...counted } = await killAndResume(
    2,
    2,
    seed,
  );
  // Nothing that was in the file is ever given up, and what was told of is there.
  expect(complete).toEqual(complete.toSorted((a, b) => a - b));
  expect(forgottenBytes).toEqual([0, 0]);
  expect(Math.max(...complete)).toBeLessThan(needed);
  expect(counted.verifiedBytes).toBeGreaterThan(0);
  expect(Math.max(...counted.lostBytes)).toBeLessThanOrEqual(PIECE_MAX_BYTES);
  expect(counted.againBytes).toEqual([counted.lostBytes.reduce((sum, bytes) => sum + bytes, 0)]);
  expect(counted.unordered).toBe(0);
  expect(twice).toEqual([lost.reduce((sum, count) => sum + count, 0)]);
}, 120_000);
