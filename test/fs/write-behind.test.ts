import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { syncFile, WriteBehind } from "../../src/fs/write-behind.ts";
import { callsOf, hasStrace } from "../faults/strace.ts";
import { FakeClock } from "../helpers/clock.ts";

test("what was written is synced within a second, once, and never while a sync is under way", async () => {
  const clock = new FakeClock();
  const syncs: (() => void)[] = [];
  const behind = new WriteBehind(clock, () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    syncs.push(resolve);
    return promise;
  });
  clock.advance(10_000);
  expect(syncs.length).toBe(0);
  for (let write = 0; write < 100; write++) behind.wrote();
  clock.advance(1_000);
  expect(syncs.length).toBe(1);
  behind.wrote();
  clock.advance(60_000);
  expect(syncs.length).toBe(1);
  syncs[0]?.();
  await Bun.sleep(0);
  clock.advance(1_000);
  expect(syncs.length).toBe(2);
  syncs[1]?.();
  await Bun.sleep(0);
  // Nothing new: nothing to do, and no timer that keeps anything awake.
  expect(clock.pending).toBe(0);
  behind.wrote();
  behind.stop();
  behind.wrote();
  expect(clock.pending).toBe(0);
});

test.skipIf(!hasStrace)(
  "a file is synced by a descriptor of its own, and what is not there harms nothing",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
    try {
      const path = join(directory, "partial");
      writeFileSync(path, "content");
      await syncFile(join(directory, "gone"));
      const module = JSON.stringify(join(import.meta.dir, "../../src/fs/write-behind.ts"));
      const script = `const { syncFile } = await import(${module}); await syncFile(${JSON.stringify(path)});`;
      const calls = await callsOf({ argv: [process.execPath, "-e", script] }, directory);
      expect(calls.filter(({ call }) => call === "fdatasync").length).toBe(1);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
