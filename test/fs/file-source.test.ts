import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFile, withFile } from "../../src/fs/file-source.ts";

let directory = "";
let path = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  path = join(directory, "file");
  writeFileSync(path, "0123456789");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("reads any range by position", () => {
  withFile(path, (source) => {
    expect(source.sizeBytes).toBe(10);
    expect(Buffer.from(source.read(3, 4)).toString()).toBe("3456");
    expect(Buffer.from(source.read(0, 10)).toString()).toBe("0123456789");
    expect(source.read(10, 0)).toHaveLength(0);
  });
});

test("refuses what lies outside", () => {
  withFile(path, (source) => {
    for (const [offset, sizeBytes] of [
      [-1, 1],
      [0, 11],
      [10, 1],
      [2 ** 53, 1],
    ] as const) {
      expect(() => source.read(offset, sizeBytes)).toThrow(RangeError);
    }
  });
});

test("says so when the file becomes shorter under it", () => {
  const shrinking = join(directory, "shrinking");
  writeFileSync(shrinking, "0123456789");
  withFile(shrinking, (source) => {
    truncateSync(shrinking, 5);
    expect(() => source.read(0, 10)).toThrow("became shorter");
  });
});

test("opens files only, and never waits for a pipe", () => {
  const pipe = join(directory, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  expect(() => openFile(directory)).toThrow("is not a file");
  expect(() => openFile(pipe)).toThrow("is not a file");
  expect(() => openFile(join(directory, "gone"))).toThrow("there is no file at");
});
