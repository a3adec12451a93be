import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tryLock } from "../../src/fs/lock.ts";
import { codeOf } from "../helpers/installed.ts";

let directory = "";
let path = "";
const children: Bun.Subprocess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  path = join(directory, "lock");
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
  rmSync(directory, { recursive: true, force: true });
});

/** Another process that holds the lock until it is killed. */
async function holder(): Promise<Bun.Subprocess> {
  const script = `const { tryLock } = await import(${JSON.stringify(join(import.meta.dir, "../../src/fs/lock.ts"))});
    globalThis.lock = tryLock(${JSON.stringify(path)});
    console.log(globalThis.lock === undefined ? "busy" : "held");
    setTimeout(() => undefined, 30_000);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  children.push(child);
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value).trim()).toBe("held");
  return child;
}

test("is held by one at a time, and free again when released", () => {
  const first = tryLock(path);
  expect(first).toBeDefined();
  expect(tryLock(path)).toBeUndefined();
  first?.release();
  first?.release();
  const second = tryLock(path);
  expect(second).toBeDefined();
  second?.release();
});

test("keeps other processes out, and dies with its holder, killed or not", async () => {
  const child = await holder();
  expect(tryLock(path)).toBeUndefined();
  child.kill("SIGKILL");
  await child.exited;
  const mine = tryLock(path);
  expect(mine).toBeDefined();
  mine?.release();
});

test("removed by its holder, it is held by nobody who opened the file before", () => {
  const first = tryLock(path);
  first?.remove();
  expect(existsSync(path)).toBe(false);
  const second = tryLock(path);
  expect(second).toBeDefined();
  // A lock that was let go takes nobody else's file with it.
  first?.remove();
  expect(existsSync(path)).toBe(true);
  // Whoever holds a file that has lost its name holds nothing.
  renameSync(path, join(directory, "elsewhere"));
  const third = tryLock(path);
  expect(third).toBeDefined();
  for (const lock of [second, third]) lock?.release();
});

test("is not had when its file loses the name while it is being taken", () => {
  const run = Reflect.get(Database.prototype, "run");
  const spy = spyOn(Database.prototype, "run").mockImplementation(function unlinking(
    this: Database,
    sql: string,
  ) {
    rmSync(path, { force: true });
    return run.call(this, sql, []);
  });
  expect(tryLock(path)).toBeUndefined();
  spy.mockRestore();
  const free = tryLock(path);
  expect(free).toBeDefined();
  free?.release();
});

test("is a file nobody else can open, and nothing is written to it", () => {
  const lock = tryLock(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  lock?.release();
  expect(statSync(path).size).toBe(0);
  expect(existsSync(`${path}-journal`)).toBe(false);
});

test("follows no link", () => {
  const victim = join(directory, "victim");
  symlinkSync(victim, path);
  expect(codeOf(() => tryLock(path))).toBe("IO_FAILED");
  expect(existsSync(victim)).toBe(false);
});
