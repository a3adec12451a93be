import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { applyUpdate, restorePrevious, rollBack } from "../../src/update/apply.ts";
import { Assembly } from "../../src/update/assemble.ts";
import { Installation } from "../../src/update/installation.ts";
import { tryLock, type Lock } from "../../src/fs/lock.ts";
import {
  badEndsOf,
  failureOf,
  parsePending,
  pendingHeader,
  type Pending,
} from "../../src/update/pending.ts";
import {
  endProbation,
  isOnProbation,
  readPending,
  settleProbation,
} from "../../src/update/probation.ts";
import { verifyUpdate } from "../../src/update/verify.ts";
import { codeOf, InstalledApp } from "../helpers/installed.ts";

const HEADER = pendingHeader(new Uint8Array(4096), "ab".repeat(32), "1.2.3");
const ALIVE = 4_000_000;
/** Above what the kernel gives to anybody. */
const GONE = 4_194_304;

function parsed(text: string): Pending {
  const pending = parsePending(text, 0);
  if (pending === undefined) throw new Error("not understood");
  return pending;
}

describe("the pending file", () => {
  test("names the version, its starts and its end", () => {
    expect(parsed(`${HEADER}12\n34\nback\n`)).toMatchObject({
      root: "ab".repeat(32),
      version: "1.2.3",
      starts: [12, 34],
      failure: "back",
    });
  });

  test("a line that was cut off counts as not there", () => {
    expect(parsed(`${HEADER}12\n3`).starts).toEqual([12]);
    expect(parsed(`${HEADER}back`).failure).toBeUndefined();
  });

  test.each([
    "",
    "x",
    HEADER.slice(1),
    HEADER.replace("1.2.3", "../../x"),
    HEADER.replace(" 1 ", " 2 "),
  ])("anything else is not one: %#", (text) => {
    expect(parsePending(text, 0)).toBeUndefined();
  });

  test("three starts that are over are a failure, two are not; one that runs is none", () => {
    const failed = (starts: readonly number[]): boolean =>
      failureOf(
        parsed(HEADER + starts.map((pid) => `${pid}\n`).join("")),
        7,
        (pid) => pid >= ALIVE,
      ) !== undefined;
    expect(failed([1, 2])).toBe(false);
    expect(failed([1, 2, 3])).toBe(true);
    expect(failed([1, 2, ALIVE])).toBe(false);
    // Our own number is that of an earlier start, although a process has it: us.
    expect(failed([7, 7, 7])).toBe(true);
  });
});

test("a version that was healthy has not failed, however its starts end; they are counted", () => {
  const alive = (pid: number): boolean => pid >= ALIVE;
  const after = (text: string, ownPid = 7): readonly unknown[] => {
    const pending = parsed(HEADER + text);
    return [failureOf(pending, ownPid, alive), badEndsOf(pending, ownPid, alive)];
  };
  expect(after("1\ngood\n-1\n2\n3\n4\n5\n")).toEqual([undefined, 4]);
  expect(after("1\ngood\n-1\n2\n-2\n")).toEqual([undefined, 0]);
  expect(after(`1\ngood\n-1\n${ALIVE}\n7\n`)).toEqual([undefined, 0]);
  // A container gives every start the same number, and the last one is we.
  expect(after("7\ngood\n-7\n7\n7\n")).toEqual([undefined, 1]);
});

describe("an installed version", () => {
  let app: InstalledApp;
  let lock: Lock;
  let assembly: Assembly;

  beforeEach(() => {
    app = new InstalledApp({ blocks: 1 });
    const held = tryLock(app.installation.lockPath);
    if (held === undefined) throw new Error("the lock is taken");
    lock = held;
    const release = app.make({ version: "1.0.1", blocks: 1, salt: 2 });
    assembly = Assembly.begin(app.installation, release.record.record);
    assembly.write(0, release.bytes);
    assembly.writeRegion(release.region);
    const update = verifyUpdate(assembly, app.candidate(release), release.region, app.own.owner);
    applyUpdate(app.installation, update, lock);
  });
  afterEach(() => {
    assembly.discard();
    lock.release();
    app.remove();
  });

  test("is on probation from before it can be started", () => {
    const pending = readPending(app.installation.pendingPath);
    expect(pending).toMatchObject({ version: "1.0.1", starts: [], failure: undefined });
    expect(isOnProbation(app.installation, app.own)).toBe(false);
  });

  test("is not judged by a process of the old one that still runs", () => {
    appendFileSync(app.installation.pendingPath, "1\n2\n3\nback\n");
    expect(settleProbation(app.installation, app.own, lock)).toBeUndefined();
    expect(existsSync(app.installation.pendingPath)).toBe(true);
  });

  test.each([
    ["1\n2\n3\nback\n", "back"],
    ["hung\n", "hung"],
    // No room for the last word, or killed before it.
    [`${GONE}\n${GONE}\n${GONE}\n`, "back"],
  ])("that failed is named until that is noted, when the old one is back: %j", (lines, failure) => {
    appendFileSync(app.installation.pendingPath, lines);
    renameSync(app.installation.previousPath, app.path);
    const failed = { version: "1.0.1", failure };
    expect(settleProbation(app.installation, app.own, lock)).toMatchObject(failed);
    expect(settleProbation(app.installation, app.own, lock)).toMatchObject(failed);
    endProbation(app.installation);
    expect(settleProbation(app.installation, app.own, lock)).toBeUndefined();
  });

  test("that was never there, because the installation was interrupted, is not blamed", () => {
    renameSync(app.installation.previousPath, app.path);
    expect(settleProbation(app.installation, app.own, lock)).toBeUndefined();
    expect(existsSync(app.installation.pendingPath)).toBe(false);
  });

  test("a file that others may write says nothing", () => {
    chmodSync(app.installation.pendingPath, 0o666);
    expect(readPending(app.installation.pendingPath)).toBeUndefined();
    chmodSync(app.installation.pendingPath, 0o600);
    expect(readPending(app.installation.pendingPath)).toBeDefined();
  });

  test("can be put back with everything that belongs to it", () => {
    expect(restorePrevious(app.installation, lock)).toBe(true);
    expect(existsSync(app.installation.pendingPath)).toBe(false);
  });

  test("does not go back to itself, by a second name that an interrupted installation has left", () => {
    const { path, previousPath } = app.installation;
    rmSync(previousPath);
    linkSync(path, previousPath);
    const other = Installation.open(path);
    let isRefused = false;
    const refuse = (): void => void (isRefused = true);
    expect(codeOf(() => rollBack(other, app.own, refuse, lock))).toBe("NO_PREVIOUS");
    expect(isRefused).toBe(false);
    other.close();
  });

  test("goes back on request only to a version that verifies", () => {
    const running = readFileSync(app.installation.previousPath);
    const other = Installation.open(app.path);
    try {
      running[100] = (running[100] ?? 0) ^ 1;
      writeFileSync(`${app.installation.previousPath}.new`, running);
      renameSync(`${app.installation.previousPath}.new`, app.installation.previousPath);
      expect(codeOf(() => rollBack(other, app.own, () => undefined, lock))).toBe("NO_PREVIOUS");
      running[100] = (running[100] ?? 0) ^ 1;
      writeFileSync(app.installation.previousPath, running);
      expect(rollBack(other, app.own, () => undefined, lock).record.record.version.text).toBe(
        "1.0.0",
      );
      expect(readFileSync(app.path).equals(running)).toBe(true);
      expect(codeOf(() => rollBack(other, app.own, () => undefined, lock))).toBe("NO_PREVIOUS");
    } finally {
      other.close();
    }
  });
});
