import { expect, test } from "bun:test";
import { killAndResume } from "./kill-resume.ts";

// 50 kills and their figures: bun test/attacks/kill-resume.ts
test("killed at random points of a download, a program goes on where it was, and only what was under way is sent again", async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  console.log(`seed ${seed}`);
  const { complete, lost, twice, needed } = await killAndResume(2, 2, seed);
  // Nothing that was in the file is ever given up.
  expect(complete).toEqual(complete.toSorted((a, b) => a - b));
  expect(Math.max(...complete)).toBeLessThan(needed);
  expect(twice).toEqual([lost.reduce((sum, count) => sum + count, 0)]);
}, 120_000);
