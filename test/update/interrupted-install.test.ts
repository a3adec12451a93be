/**
 * An installation that is killed, or refused by the system, at each of its system calls (attacks F1 and
 * F10). strace makes it happen below the process boundary.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../src/core/hash.ts";
import { digestOf, InstalledApp } from "../helpers/installed.ts";
import type { TestRelease } from "../helpers/release.ts";

const STRACE = Bun.which("strace");
const INSTALL_ONCE = join(import.meta.dir, "../helpers/install-once.ts");
const RUN_TIMEOUT_MS = 20_000;
/** Every call with which an installation changes the file system, by what it is on one system or other. */
const CALLS = [
  "ftruncate",
  "pwrite64",
  "fchmod",
  "fsync",
  "link,linkat",
  "rename,renameat,renameat2",
  "unlink,unlinkat",
];
/** No installation of the made-up executable makes more calls of one kind. */
const CALLS_MAX = 40;

let app: InstalledApp;
let next: TestRelease;
let nextPath = "";
let elsewhere = "";

beforeAll(() => {
  app = new InstalledApp({ blocks: 2 });
  next = app.make({ version: "1.0.1", blocks: 2, salt: 2 });
  elsewhere = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  nextPath = join(elsewhere, "next");
  writeFileSync(nextPath, next.file);
  if (STRACE === null) console.log("skipped, because strace is not installed");
});
afterAll(() => {
  app.remove();
  rmSync(elsewhere, { recursive: true, force: true });
});

async function install(...wrapper: readonly string[]): Promise<{ hit: boolean; code: string }> {
  const child = Bun.spawn([...wrapper, process.execPath, INSTALL_ONCE, app.path, nextPath], {
    stdout: "ignore",
    stderr: "pipe",
    timeout: RUN_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const [text, exitCode] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  const code = text.split("\n").find((line) => /^[A-Z_]+$/.test(line)) ?? "";
  return { hit: exitCode !== 0 || text.includes("INJECTED"), code };
}

function reset(): void {
  for (const name of readdirSync(app.directory)) rmSync(join(app.directory, name));
  writeFileSync(app.path, app.release.file, { mode: 0o755 });
}

const isOld = (): boolean => app.digest() === digestOfBytes(app.release.file);
const isNew = (): boolean => app.digest() === digestOfBytes(next.file);
const digestOfBytes = (bytes: Uint8Array): string => sha256(bytes).toHex();
const leftovers = (): string[] =>
  readdirSync(app.directory).filter((name) => name.endsWith("rustpatcher-tmp"));

/** Injects `fault` at the first, second, … of these calls, until one is not reached any more. */
async function atEach(
  calls: string,
  fault: string,
  check: (outcome: { hit: boolean; code: string }) => void,
): Promise<number> {
  for (let nth = 1; nth <= CALLS_MAX; nth++) {
    reset();
    const log = join(elsewhere, "strace");
    const inject = `inject=${calls}:${fault}:when=${nth}`;
    const outcome = await install(
      STRACE ?? "",
      "-qq",
      "-o",
      log,
      "-e",
      `trace=${calls}`,
      "-e",
      inject,
    );
    const hit = outcome.hit || (await Bun.file(log).text()).includes("(INJECTED)");
    if (!hit) return nth - 1;
    check(outcome);
    expect([calls, nth, isOld() || isNew()]).toEqual([calls, nth, true]);
    expect(statSync(app.path).mode & 0o777).toBe(0o755);
    // Whatever was left: the next attempt succeeds and clears it away.
    expect(await install()).toEqual({ hit: false, code: "" });
    expect([calls, nth, isNew()]).toEqual([calls, nth, true]);
    expect(leftovers()).toEqual([]);
  }
  throw new Error(`more than ${CALLS_MAX} × ${calls}`);
}

describe.skipIf(STRACE === null)("killed before each", () => {
  test.each(CALLS)("%s", async (calls) => {
    expect(await atEach(calls, "signal=SIGKILL", () => undefined)).toBeGreaterThan(0);
  });
});

describe.skipIf(STRACE === null)("refused each", () => {
  test.each([
    ["ftruncate", "ENOSPC"],
    ["pwrite64", "ENOSPC"],
    ["pwrite64", "EIO"],
    ["fchmod", "EPERM"],
    ["fsync", "EIO"],
    ["link,linkat", "EPERM"],
    ["rename,renameat,renameat2", "EXDEV"],
    ["rename,renameat,renameat2", "EBUSY"],
  ])("%s with %s", async (calls, errno) => {
    const hits = await atEach(calls, `error=${errno}`, () => expect(leftovers()).toEqual([]));
    expect(hits).toBeGreaterThan(0);
  });
});

test("not interrupted, it installs", async () => {
  reset();
  expect(await install()).toEqual({ hit: false, code: "" });
  expect(isNew()).toBe(true);
  expect(digestOf(app.installation.previousPath)).toBe(digestOfBytes(app.release.file));
});
