/**
 * Others at work on the same executable: other copies of it, a package manager, its user. One wins, and
 * nobody is left broken (attack F12).
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { tryLock } from "../../src/fs/lock.ts";
import { readPending } from "../../src/update/probation.ts";
import type { Rehearse } from "../../src/update/rehearse.ts";
import { install, noRehearsal } from "../helpers/install.ts";
import { digestOf } from "../helpers/installed.ts";
import { TwoVersions } from "../helpers/two-versions.ts";

const INSTALL_ONCE = join(import.meta.dir, "../helpers/install-once.ts");
const ROUNDS = 8;
const AT_ONCE = 3;
const TIMEOUT_MS = 60_000;
let two: TwoVersions;

beforeEach(() => {
  two = new TwoVersions();
});
afterEach(() => two.remove());

const leftovers = (): string[] =>
  readdirSync(two.app.directory).filter((name) => name.endsWith("-tmp"));

/** Replaces the executable as package managers do. */
function put(file: Uint8Array): void {
  const fresh = join(two.app.directory, "from the package");
  writeFileSync(fresh, file, { mode: 0o755 });
  renameSync(fresh, two.app.path);
}

/** Installs, and lets `meanwhile` happen when the new version is complete and not yet in place. */
function installWhile(meanwhile: () => void): Promise<string> {
  const rehearse: Rehearse = async () => meanwhile();
  return install({ path: two.app.path, next: two.next, rehearse });
}

describe("two copies that update at once", () => {
  test(
    "end with the new version, whoever was first (F12)",
    async () => {
      const { path, directory } = two.app;
      const old = join(two.elsewhere, "old");
      copyFileSync(path, old);
      for (let round = 0; round < ROUNDS; round++) {
        for (const name of readdirSync(directory)) rmSync(join(directory, name));
        put(readFileSync(old));
        const copies = Array.from({ length: AT_ONCE }, () =>
          Bun.spawn([process.execPath, INSTALL_ONCE, path, two.next], {
            stdio: ["ignore", "ignore", "pipe"],
          }),
        );
        const said = await Promise.all(
          copies.map(async (copy) => (await new Response(copy.stderr).text()).trim()),
        );
        expect(said.filter((code) => code !== "" && code !== "BUSY")).toEqual([]);
        expect([two.version, leftovers()]).toEqual(["new", []]);
        expect(two.named(digestOf(two.app.installation.previousPath))).toBe("old");
      }
    },
    TIMEOUT_MS,
  );

  test("and of which one is killed while it holds the lock, do not wait for it (F12)", async () => {
    const { installation } = two.app;
    const hold = `import { tryLock } from ${JSON.stringify(join(import.meta.dir, "../../src/fs/lock.ts"))};
globalThis.lock = tryLock(${JSON.stringify(installation.lockPath)});
console.log("held");
setInterval(() => undefined, 1_000);`;
    const holder = Bun.spawn([process.execPath, "-e", hold], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await holder.stdout.getReader().read();
    expect(await two.install()).toBe("BUSY");
    // Stopped, it still has it.
    holder.kill("SIGSTOP");
    expect(await two.install()).toBe("BUSY");
    holder.kill("SIGKILL");
    await holder.exited;
    expect(await two.install()).toBe("");
    expect(two.version).toBe("new");
  });
});

describe("an executable that somebody", () => {
  test("removes meanwhile is not brought back", async () => {
    expect(await installWhile(() => rmSync(two.app.path))).toBe("EXECUTABLE_CHANGED");
    expect(existsSync(two.app.path)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  test("moves meanwhile stays where it was moved to, and is updated there", async () => {
    const moved = join(two.app.directory, "moved");
    expect(await installWhile(() => renameSync(two.app.path, moved))).toBe("EXECUTABLE_CHANGED");
    expect(existsSync(two.app.path)).toBe(false);
    expect(two.named(digestOf(moved))).toBe("old");
    expect(await install({ path: moved, next: two.next, rehearse: noRehearsal })).toBe("");
    expect(two.named(digestOf(moved))).toBe("new");
  });

  test("replaces meanwhile by a newer, an older or a foreign one is left as it is", async () => {
    const running = readFileSync(two.app.path);
    const newer = two.app.make({ version: "1.5.0", blocks: 1, salt: 5 }).file;
    const older = two.app.make({ version: "0.9.0", blocks: 1, salt: 6 }).file;
    for (const file of [newer, older, new TextEncoder().encode("#!/bin/sh\n")]) {
      put(running);
      expect(await installWhile(() => put(file))).toBe("EXECUTABLE_CHANGED");
      expect(readFileSync(two.app.path).equals(file)).toBe(true);
      expect(leftovers()).toEqual([]);
    }
  });

  test("replaces in the last moment before the swap keeps what was put there", async () => {
    const foreign = new TextEncoder().encode("#!/bin/sh\n");
    const { installation } = two.app;
    // The rollback copy is linked after everything was checked: it shows what is there by then.
    const current = two.app.installation.isCurrent.bind(two.app.installation);
    let looks = 0;
    two.app.installation.isCurrent = (): boolean => {
      const answer = current();
      // The first look is before the download, the second is the last.
      if (++looks === 2) put(foreign);
      return answer;
    };
    const { path, own } = two.app;
    const options = { path, installation, own, next: two.next, rehearse: noRehearsal };
    expect(await install(options)).toBe("EXECUTABLE_CHANGED");
    expect(looks).toBe(2);
    expect(readFileSync(two.app.path).equals(foreign)).toBe(true);
    expect(existsSync(installation.previousPath)).toBe(false);
    expect(readPending(installation.pendingPath)).toBeUndefined();
  });
});

test("while a version is on probation it installs no other; a copy of the one before may", async () => {
  const { path, installation, own } = two.app;
  const third = join(two.elsewhere, "third");
  writeFileSync(third, two.app.make({ version: "1.0.2", blocks: 1, salt: 3 }).file);
  expect(await two.install()).toBe("");
  const next = { path, next: third, rehearse: noRehearsal };
  expect(await install(next)).toBe("ON_PROBATION");
  // It was started before, and has never been the version that is in place.
  expect(await install({ ...next, installation, own })).toBe("");
  expect(digestOf(path)).toBe(digestOf(third));
  // The way back leads past the version that has not proved itself.
  expect(two.named(digestOf(installation.previousPath))).toBe("old");
  expect(readPending(installation.pendingPath)).toMatchObject({ version: "1.0.2", starts: [] });
});

test("the leftovers of an attempt that was killed are gone once the updater has started", async () => {
  const { directory, path } = two.app;
  const file = join(directory, ".app.update.0123456789abcdef.rustpatcher-tmp");
  const state = join(directory, "..app.rustpatcher-state.0123456789abcdef.rustpatcher-tmp");
  const folder = join(directory, ".app.update.fedcba9876543210.rustpatcher-tmp");
  writeFileSync(file, "half");
  writeFileSync(state, "half");
  mkdirSync(folder);
  writeFileSync(join(folder, "core"), "");
  const start = { path, next: two.next, act: "start", rehearse: noRehearsal } as const;
  const held = tryLock(two.app.installation.lockPath);
  expect(await install(start)).toBe("");
  // Another copy may be writing them.
  expect(leftovers()).toHaveLength(3);
  held?.release();
  expect(await install(start)).toBe("");
  expect([leftovers(), two.version]).toEqual([[], "old"]);
});
