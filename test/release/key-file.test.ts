import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSeed, keyText } from "../../src/core/keys.ts";
import { parseSeedText, readKeyFile, writeKeyFile } from "../../src/release/key-file.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const seed = generateSeed();

function keyFile(content: string | Uint8Array, mode = 0o600): string {
  const path = join(directory, "key");
  rmSync(path, { force: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

test("writes for the owner alone, reads back, and never overwrites", () => {
  const path = join(directory, "new");
  writeKeyFile(path, seed);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, "utf8")).toBe(keyText(seed));
  expect(readKeyFile(path)).toEqual(seed);
  expect(() => writeKeyFile(path, generateSeed())).toThrow("not overwritten");
  expect(readFileSync(path, "utf8")).toBe(keyText(seed));
});

test("reads a key with the line break of an editor", () => {
  expect(readKeyFile(keyFile(`${keyText(seed)}\n`))).toEqual(seed);
  expect(readKeyFile(keyFile(`${keyText(seed)}\r\n`))).toEqual(seed);
});

describe("refuses (B1, B10)", () => {
  test("a file that is not there, and does not create it", () => {
    const path = join(directory, "gone");
    expect(() => readKeyFile(path)).toThrow("there is no owner key at");
    expect(existsSync(path)).toBe(false);
  });

  test.each([0o604, 0o640, 0o644, 0o660, 0o666, 0o622])("mode %o", (mode) => {
    const path = keyFile(keyText(seed), mode);
    expect(() => readKeyFile(path)).toThrow("chmod 600");
    chmodSync(path, 0o600);
    expect(() => readKeyFile(path)).not.toThrow();
  });

  test.each([
    ["nothing", ""],
    ["a line break", "\n"],
    ["51 characters", keyText(seed).slice(1)],
    ["53 characters", `${keyText(seed)}y`],
    ["another alphabet", `${keyText(seed).slice(1)}l`],
    ["capitals", keyText(seed).toUpperCase()],
    ["hexadecimal", seed.toHex()],
    ["raw bytes", seed],
    ["a megabyte", "y".repeat(1_000_000)],
    ["two keys", `${keyText(seed)}\n${keyText(seed)}\n`],
  ])("a file that holds %s", (_what, content) => {
    expect(() => readKeyFile(keyFile(content))).toThrow("z-base-32");
  });

  test("a directory", () => {
    expect(() => readKeyFile(directory)).toThrow("is not a file");
  });

  test("without ever repeating what it read", () => {
    expect(() => parseSeedText(keyText(seed).slice(1))).not.toThrow(keyText(seed).slice(1));
  });
});
