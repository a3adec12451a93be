/** The way back of a version that hangs, where the system gives it less than it needs. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { putPreviousBack, type FileSystem } from "../../embed/go-back.ts";
import { pathBeside } from "../../src/fs/own-files.ts";
import { pendingHeader, pendingPath } from "../../src/update/pending.ts";
import { readPending } from "../../src/update/probation.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  path = join(directory, "app");
  writeFileSync(path, "new");
  writeFileSync(pathBeside(path, "previous"), "old");
  const header = pendingHeader(new Uint8Array(4096), "ab".repeat(32), "1.2.3");
  writeFileSync(pendingPath(path), `${header}12\n`, { mode: 0o600 });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** The one of the program at `path`, which runs. */
function fileSystem(changes: Partial<FileSystem> = {}): FileSystem {
  const running = fs.statSync(path);
  const statSync = (of: string, options?: fs.StatSyncOptions): unknown =>
    of === "/proc/self/exe" ? running : fs.statSync(of, options);
  return { ...fs, statSync, ...changes } as FileSystem;
}

test("it is noted that it hung", () => {
  expect(putPreviousBack(fileSystem(), path, "hung")).toBe(true);
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readPending(pendingPath(path))).toMatchObject({ starts: [12], failure: "hung" });
});

test("it is noted without a descriptor as well, which a version that hangs may have used up", () => {
  const openSync = (): never => {
    throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
  };
  expect(putPreviousBack(fileSystem({ openSync }), path, "hung")).toBe(true);
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readPending(pendingPath(path))).toMatchObject({ starts: [12], failure: "hung" });
});
