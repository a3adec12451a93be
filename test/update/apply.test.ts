import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { sha256 } from "../../src/core/hash.ts";
import { applyUpdate, restorePrevious } from "../../src/update/apply.ts";
import { Assembly, sweepLeftovers } from "../../src/update/assemble.ts";
import { Installation } from "../../src/update/installation.ts";
import { tryLock, type Lock } from "../../src/fs/lock.ts";
import { verifyUpdate, type VerifiedUpdate } from "../../src/update/verify.ts";
import { codeOf, digestOf, InstalledApp } from "../helpers/installed.ts";
import type { TestRelease } from "../helpers/release.ts";

const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;
let app: InstalledApp;
let lock: Lock;
const assemblies: Assembly[] = [];

beforeEach(() => {
  app = new InstalledApp();
  const held = tryLock(app.installation.lockPath);
  if (held === undefined) throw new Error("the lock is taken");
  lock = held;
});
afterEach(() => {
  for (const assembly of assemblies.splice(0)) assembly.discard();
  lock.release();
  app.remove();
});

/** Steps 5 and 6 for a release that is all here. */
function prepare(release: TestRelease): VerifiedUpdate {
  const assembly = Assembly.begin(app.installation, release.record.record);
  assemblies.push(assembly);
  assembly.write(0, release.bytes);
  assembly.writeRegion(release.region);
  return verifyUpdate(assembly, app.candidate(release), release.region, app.own.owner);
}

const next = (): TestRelease => app.make({ version: "1.0.1", salt: 2 });
const apply = (update: VerifiedUpdate): unknown => applyUpdate(app.installation, update, lock);

/** Nothing but the executable and what belongs there between updates. */
function strays(): string[] {
  const known = [
    "app",
    ".app.rustpatcher-pending",
    ".app.rustpatcher-lock",
    ".app.rustpatcher-previous",
  ];
  return readdirSync(app.directory).filter((name) => !known.includes(name));
}

test("puts the verified file in place, with the old mode, and keeps the old one beside it", () => {
  const before = app.digest();
  chmodSync(app.path, 0o751);
  const release = next();
  const update = prepare(release);
  expect(statSync(update.path).mode & 0o777).toBe(0o600);
  apply(update);
  for (const assembly of assemblies.splice(0)) assembly.discard();
  expect(app.digest()).toBe(sha256(release.file).toHex());
  expect(statSync(app.path).mode & 0o7777).toBe(0o751);
  expect(app.installation.isCurrent()).toBe(true);
  expect(digestOf(app.installation.previousPath)).toBe(before);
  expect(strays()).toEqual([]);
});

describe("refuses, and changes nothing, when", () => {
  const refusals: readonly (readonly [string, string, () => void, () => void])[] = [
    [
      "the directory is group-writable",
      "DIRECTORY_UNSAFE",
      () => chmodSync(app.directory, 0o770),
      () => chmodSync(app.directory, 0o755),
    ],
    [
      "the directory is world-writable and sticky",
      "DIRECTORY_UNSAFE",
      () => chmodSync(app.directory, 0o1777),
      () => chmodSync(app.directory, 0o755),
    ],
    [
      "the directory is read-only",
      "DIRECTORY_READ_ONLY",
      () => chmodSync(app.directory, 0o555),
      () => chmodSync(app.directory, 0o700),
    ],
    [
      "the executable is setuid",
      "EXECUTABLE_UNSAFE",
      () => chmodSync(app.path, 0o4755),
      () => chmodSync(app.path, 0o755),
    ],
    [
      "the executable is setgid",
      "EXECUTABLE_UNSAFE",
      () => chmodSync(app.path, 0o2755),
      () => chmodSync(app.path, 0o755),
    ],
  ];
  test.each(refusals)("%s", (_case, code, attack, repair) => {
    const update = prepare(next());
    const before = app.digest();
    attack();
    expect(codeOf(() => apply(update))).toBe(code);
    expect(app.digest()).toBe(before);
    repair();
    expect(codeOf(() => apply(update))).toBe("accepted");
  });

  test.skipIf(!isRoot)("the executable belongs to somebody else", () => {
    const update = prepare(next());
    chownSync(app.path, NOBODY, NOBODY);
    expect(codeOf(() => apply(update))).toBe("EXECUTABLE_UNSAFE");
    chownSync(app.path, 0, 0);
    expect(codeOf(() => apply(update))).toBe("accepted");
  });

  test.skipIf(!isRoot)("root runs from a directory of somebody else", () => {
    const update = prepare(next());
    chownSync(app.directory, NOBODY, NOBODY);
    expect(codeOf(() => apply(update))).toBe("DIRECTORY_UNSAFE");
    chownSync(app.directory, 0, 0);
    expect(codeOf(() => apply(update))).toBe("accepted");
  });

  test("the executable is not the file that was started", () => {
    const update = prepare(next());
    const stranger = app.make({ version: "1.0.5", salt: 5 }).file;
    writeFileSync(join(app.directory, "new"), stranger);
    renameSync(join(app.directory, "new"), app.path);
    expect(codeOf(() => apply(update))).toBe("EXECUTABLE_CHANGED");
    expect(app.digest()).toBe(sha256(stranger).toHex());
  });

  test("the executable has become a link", () => {
    const update = prepare(next());
    renameSync(app.path, join(app.directory, "real"));
    symlinkSync(join(app.directory, "real"), app.path);
    expect(codeOf(() => apply(update))).toBe("EXECUTABLE_UNSAFE");
    expect(lstatSync(app.path).isSymbolicLink()).toBe(true);
  });

  test("the rollback copy cannot be made", () => {
    const update = prepare(next());
    const before = app.digest();
    mkdirSync(join(app.installation.previousPath, "in the way"), { recursive: true });
    expect(codeOf(() => apply(update))).toBe("IO_FAILED");
    expect(app.digest()).toBe(before);
    rmSync(app.installation.previousPath, { recursive: true });
    expect(codeOf(() => apply(update))).toBe("accepted");
  });
});

test("puts the old version back when the verified file was swapped before the rename (F9)", () => {
  const before = app.digest();
  const update = prepare(next());
  const forged = join(app.directory, "forged");
  writeFileSync(forged, "#!/bin/sh\necho owned\n", { mode: 0o755 });
  renameSync(forged, update.path);
  expect(codeOf(() => apply(update))).toBe("SWAPPED");
  expect(app.digest()).toBe(before);
  expect(app.installation.isCurrent()).toBe(true);
  // The copy is in its place again, so a later, honest update goes through.
  expect(codeOf(() => apply(prepare(app.make({ version: "1.0.2", salt: 3 }))))).toBe("accepted");
});

test("keeps the version that runs as the rollback copy over two updates", () => {
  const running = app.digest();
  apply(prepare(next()));
  apply(prepare(app.make({ version: "1.0.2", salt: 3 })));
  expect(digestOf(app.installation.previousPath)).toBe(running);
});

test("replaces a rollback copy of an earlier run", () => {
  writeFileSync(app.installation.previousPath, "older");
  const running = app.digest();
  apply(prepare(next()));
  expect(digestOf(app.installation.previousPath)).toBe(running);
});

describe("putting the running version back", () => {
  test("is one rename", () => {
    const running = app.digest();
    apply(prepare(next()));
    expect(restorePrevious(app.installation, lock)).toBe(true);
    expect(app.digest()).toBe(running);
    expect(app.installation.isCurrent()).toBe(true);
  });

  test("does not happen when the copy is not the running version", () => {
    apply(prepare(next()));
    const installed = app.digest();
    rmSync(app.installation.previousPath);
    expect(restorePrevious(app.installation, lock)).toBe(false);
    writeFileSync(app.installation.previousPath, "something else");
    expect(restorePrevious(app.installation, lock)).toBe(false);
    expect(app.digest()).toBe(installed);
  });

  test("does not undo what somebody else has installed since", () => {
    apply(prepare(next()));
    writeFileSync(join(app.directory, "new"), "newer still");
    renameSync(join(app.directory, "new"), app.path);
    expect(restorePrevious(app.installation, lock)).toBe(false);
    expect(readFileSync(app.path, "utf8")).toBe("newer still");
  });
});

test.skipIf(!isRoot || Bun.which("setcap") === null)(
  "refuses a file that has capabilities, and takes it without them (F6)",
  () => {
    const setcap = (...args: readonly string[]): void => {
      expect(Bun.spawnSync(["setcap", ...args, app.path]).exitCode).toBe(0);
    };
    setcap("cap_net_bind_service+ep");
    expect(codeOf(() => app.installation.checkSafe())).toBe("EXECUTABLE_UNSAFE");
    setcap("-r");
    expect(codeOf(() => app.installation.checkSafe())).toBe("accepted");
  },
);

const probe = (): void => app.installation.probe(app.installation.checkSafe());

describe("the probe before a download", () => {
  test("leaves nothing behind where an update can be installed", () => {
    probe();
    expect(strays()).toEqual([]);
    expect(statSync(app.path).nlink).toBe(1);
  });

  test("finds out that the directory is gone", () => {
    const stats = app.installation.checkSafe();
    renameSync(app.directory, `${app.directory}-moved`);
    expect(codeOf(() => app.installation.probe(stats))).toBe("IO_FAILED");
    renameSync(`${app.directory}-moved`, app.directory);
    expect(codeOf(() => probe())).toBe("accepted");
  });
});

test("sweeps only leftovers of its own", () => {
  const ours = ".app.update.0123456789abcdef.rustpatcher-tmp";
  const others = [
    ".app.0123456789abcdef.rustpatcher-tmp",
    ".app2.update.0123456789abcdef.rustpatcher-tmp",
    ".app.update.0123456789abcdeg.rustpatcher-tmp",
    ".app.update.0123456789abcdef0.rustpatcher-tmp",
    "app.update.0123456789abcdef.rustpatcher-tmp",
  ];
  for (const name of [ours, ...others]) writeFileSync(join(app.directory, name), "");
  sweepLeftovers(app.installation);
  expect(strays().sort()).toEqual(others.sort());
});

test("follows the path it was started by to the real file", () => {
  const link = join(app.directory, "link");
  symlinkSync("app", link);
  const installation = Installation.open(link);
  expect(installation.path).toBe(app.path);
  installation.close();
  const second = join(app.directory, "second name");
  linkSync(app.path, second);
  apply(prepare(next()));
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  // Another hard link keeps the old version.
  expect(statSync(second).ino).not.toBe(statSync(app.path).ino);
});

test("reads the running image after the file at its path was replaced", () => {
  const old = app.release.file;
  apply(prepare(next()));
  expect(app.installation.source.read(0, old.length).toHex()).toBe(old.toHex());
});

test("opens an executable whose name the system already reports as deleted", () => {
  const installation = Installation.open(`${app.path} (deleted)`);
  expect(installation.path).toBe(app.path);
  installation.close();
});
