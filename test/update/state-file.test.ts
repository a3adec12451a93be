import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signHandover } from "../../src/core/handover.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { STATE_FILE_MAX_BYTES } from "../../src/core/limits.ts";
import { readStateFile, writeStateFile } from "../../src/update/state-file.ts";
import { TrustedState } from "../../src/update/trusted-state.ts";
import { codeOf } from "../helpers/installed.ts";
import { makeRelease } from "../helpers/release.ts";

const seed = generateSeed();
const owner = publicKeyOf(seed);
let directory = "";
let path = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  path = join(directory, ".app.rustpatcher-state");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function written(): Uint8Array {
  const { record } = makeRelease(seed, { version: "1.0.0", blocks: 1 });
  const state = new TrustedState(record);
  state.refuse(record.record.root);
  writeStateFile(path, state);
  return new Uint8Array(readFileSync(path));
}

test("gives back what was written, readable by the owner alone", () => {
  written();
  const stored = readStateFile(path, owner);
  expect(stored?.newest?.record.version.text).toBe("1.0.0");
  expect(stored?.refused.map((root) => root.toHex())).toEqual([
    stored?.newest?.record.root.toHex() ?? "",
  ]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toEqual([".app.rustpatcher-state"]);
});

test("is absent without being an error", () => {
  expect(readStateFile(path, owner)).toBeUndefined();
});

test("is read by the versions of every key of the chain, whoever of them wrote it", () => {
  const seeds = [seed, generateSeed(), generateSeed()] as const;
  const keys = seeds.map(publicKeyOf);
  const [, second = owner, third = owner] = keys;
  const { record } = makeRelease(seeds[2], { version: "3.0.0", blocks: 1 });
  const name = record.record;
  const chain = [signHandover(seeds[0], name, second), signHandover(seeds[1], name, third)];
  const newer = new TrustedState(record);
  newer.refuse(record.record.root);
  writeStateFile(path, newer, chain);
  const expectReadable = (): void => {
    for (const [at, key] of keys.entries()) {
      const stored = readStateFile(path, key);
      expect(stored?.handovers.map(({ successor }) => successor)).toEqual(keys.slice(at + 1));
      expect(stored?.newest?.record.version.text).toBe("3.0.0");
      expect(stored?.refused.map((root) => root.toHex())).toEqual([record.record.root.toHex()]);
    }
    expect(codeOf(() => readStateFile(path, publicKeyOf(generateSeed())))).toBe("STATE_INVALID");
  };
  expectReadable();

  // The version of the first key follows them, and writes down the same.
  const stored = readStateFile(path, owner);
  const following = new TrustedState(makeRelease(seed, { version: "1.0.0", blocks: 1 }).record);
  for (const learnt of [...(stored?.handovers ?? []), record]) following.learn(learnt, Date.now());
  following.refuse(record.record.root);
  writeStateFile(path, following);
  expectReadable();
});

test("refuses a record of another owner", () => {
  written();
  expect(codeOf(() => readStateFile(path, publicKeyOf(generateSeed())))).toBe("STATE_INVALID");
});

test("refuses every truncation and every changed byte", () => {
  const bytes = written();
  for (let length = 0; length < bytes.length; length++) {
    writeFileSync(path, bytes.subarray(0, length), { mode: 0o600 });
    expect([length, codeOf(() => readStateFile(path, owner))]).toEqual([length, "STATE_INVALID"]);
  }
  const record = stored(bytes)?.newest?.bytes.toHex();
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte));
    writeFileSync(path, changed);
    // Refused roots are not signed, and a changed one names another release. The record is.
    const code = codeOf(() => expect(stored(changed)?.newest?.bytes.toHex()).toBe(record ?? ""));
    expect([at, code]).toEqual([at, isInRoot(bytes, at) ? "accepted" : "STATE_INVALID"]);
  }
});

function isInRoot(bytes: Uint8Array, at: number): boolean {
  const root = stored(bytes)?.refused[0];
  const start = Buffer.from(bytes).lastIndexOf(Buffer.from(root ?? ""));
  return at >= start && at < start + 32;
}

function stored(bytes: Uint8Array): ReturnType<typeof readStateFile> {
  writeFileSync(path, bytes);
  return readStateFile(path, owner);
}

test("refuses a file above the cap before reading it", () => {
  const bytes = written();
  writeFileSync(path, new Uint8Array(STATE_FILE_MAX_BYTES + 1), { mode: 0o600 });
  expect(codeOf(() => readStateFile(path, owner))).toBe("STATE_INVALID");
  writeFileSync(path, bytes);
  expect(codeOf(() => readStateFile(path, owner))).toBe("accepted");
});

test("follows no link, waits for no pipe, reads no directory", () => {
  const bytes = written();
  rmSync(path);
  const elsewhere = join(directory, "elsewhere");
  writeFileSync(elsewhere, bytes, { mode: 0o600 });
  symlinkSync(elsewhere, path);
  expect(codeOf(() => readStateFile(path, owner))).toBe("STATE_INVALID");
  rmSync(path);
  expect(spawnSync("mkfifo", ["-m", "600", path]).status).toBe(0);
  expect(codeOf(() => readStateFile(path, owner))).toBe("STATE_INVALID");
  rmSync(path);
  mkdirSync(path);
  expect(codeOf(() => readStateFile(path, owner))).toBe("STATE_INVALID");
  // The same bytes as a plain file of ours pass.
  rmSync(path, { recursive: true });
  writeFileSync(path, bytes, { mode: 0o600 });
  expect(codeOf(() => readStateFile(path, owner))).toBe("accepted");
});

test("refuses a file that others may write to", () => {
  written();
  chmodSync(path, 0o620);
  expect(codeOf(() => readStateFile(path, owner))).toBe("STATE_INVALID");
  chmodSync(path, 0o644);
  expect(codeOf(() => readStateFile(path, owner))).toBe("accepted");
});

test.skipIf(process.geteuid?.() !== 0)("refuses a file of another user", () => {
  written();
  chownSync(path, 65_534, 65_534);
  expect(codeOf(() => readStateFile(path, owner))).toBe("STATE_INVALID");
});

test("leaves the old state when the new one cannot be written", () => {
  const bytes = written();
  const { record } = makeRelease(seed, { version: "1.0.1", blocks: 1 });
  const blocked = join(directory, "missing", ".app.rustpatcher-state");
  expect(codeOf(() => writeStateFile(blocked, new TrustedState(record)))).toBe("IO_FAILED");
  expect(readFileSync(path).toHex()).toBe(bytes.toHex());
});
