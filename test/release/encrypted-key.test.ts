import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { scryptSync } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { encodeZ32, tryDecodeZ32 } from "../../src/core/z32.ts";
import { decryptSeed, encryptSeed, ownerOfEncrypted } from "../../src/release/encrypted-key.ts";
import { encryptKeyFile, readKeyFile, writeKeyFile } from "../../src/release/key-file.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const TIMEOUT_MS = 30_000;
const PASSPHRASE = "correct horse battery staple";
const seed = generateSeed();
const publicKey = keyText(publicKeyOf(seed));
const text = encryptSeed(seed, PASSPHRASE);

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-key-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("opens with its passphrase alone, and says whose it is without", () => {
  expect(decryptSeed(text, PASSPHRASE)).toEqual(seed);
  expect(ownerOfEncrypted(text)).toEqual(publicKeyOf(seed));
  expect(() => decryptSeed(text, `${PASSPHRASE} `)).toThrow("does not open");
  expect(text).not.toContain(keyText(seed));
});

test("is what the header of the file says: another scrypt computes the same key", () => {
  const [format, owner, payload = ""] = text.split(" ");
  const box = tryDecodeZ32(payload);
  if (box === undefined) throw new Error("not z-base-32");
  const options = { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 };
  const key = scryptSync(PASSPHRASE, box.subarray(0, 16), 32, options);
  const data = new TextEncoder().encode(`${format} ${owner}`);
  const opened = xchacha20poly1305(key, box.subarray(16, 40), data).decrypt(box.subarray(40));
  expect(opened).toEqual(Uint8Array.from(seed));
});

test("a passphrase is the same however its letters are composed", () => {
  const composed = encryptSeed(seed, "caf\u00E9");
  expect(decryptSeed(composed, "cafe\u0301")).toEqual(seed);
});

test("is different each time", () => {
  expect(encryptSeed(seed, PASSPHRASE)).not.toBe(text);
});

describe("refuses", () => {
  const [format = "", , payload = ""] = text.split(" ");
  const other = keyText(publicKeyOf(generateSeed()));
  test.each([
    ["another format", text.replace("key-1", "key-2")],
    ["a missing word", `${format} ${publicKey}`],
    ["a word more", `${text} x`],
    ["a shorter box", text.slice(0, -8)],
    ["another alphabet", `${text.slice(0, -1)}l`],
  ])("%s, without deriving a key", (_what, changed) => {
    expect(() => decryptSeed(changed, PASSPHRASE)).toThrow("damaged");
  });

  test("the name of another owner, although the box is right", () => {
    expect(() => decryptSeed(`${format} ${other} ${payload}`, PASSPHRASE)).toThrow("does not open");
  });

  test("a flipped bit of salt, nonce, seed or tag", () => {
    for (const at of [0, 16, 40, 87]) {
      const box = tryDecodeZ32(payload);
      if (box === undefined) throw new Error("not z-base-32");
      box[at] = (box[at] ?? 0) ^ 1;
      const changed = `${format} ${publicKey} ${encodeZ32(box)}`;
      expect(() => decryptSeed(changed, PASSPHRASE)).toThrow("does not open");
    }
  }, 60_000);
});

test("a key file keeps its mode, leaves nothing beside it, and is encrypted once", () => {
  const own = mkdtempSync(join(directory, "alone-"));
  const path = join(own, "key");
  writeKeyFile(path, seed);
  expect(encryptKeyFile(path, PASSPHRASE)).toEqual(publicKeyOf(seed));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(own)).toEqual(["key"]);
  expect(readFileSync(path, "utf8")).toStartWith("rustpatcher-key-1 ");
  expect(readKeyFile(path, () => PASSPHRASE)).toEqual(seed);
  expect(() => encryptKeyFile(path, PASSPHRASE)).toThrow("encrypted already");
  chmodSync(path, 0o644);
  expect(() => readKeyFile(path, () => PASSPHRASE)).toThrow("chmod 600");
  rmSync(path);
});

function cli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { code: number; out: string; err: string } {
  // A session of its own has no terminal to ask in.
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    ["setsid", "--wait", process.execPath, MAIN, ...args],
    {
      cwd: directory,
      env: { PATH: process.env["PATH"] ?? "", HOME: directory, ...env },
      stdin: "ignore",
      timeout: TIMEOUT_MS,
    },
  );
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

test("rustpatcher key show and encrypt; what signs takes the passphrase from the environment", () => {
  writeKeyFile(join(directory, "owner_key"), seed);
  expect(cli(["key", "show", "owner_key"]).out).toStartWith(`${publicKey}\n`);
  const without = cli(["key", "encrypt", "owner_key"]);
  expect(without).toMatchObject({ code: 1, out: "" });
  expect(without.err).toContain("RUSTPATCHER_PASSPHRASE");
  expect(cli(["key", "show", "owner_key", "--json"]).out).toContain('"encrypted": false');

  const env = { RUSTPATCHER_PASSPHRASE: PASSPHRASE };
  expect(cli(["key", "encrypt", "owner_key"], env)).toMatchObject({ code: 0, err: "" });
  expect(JSON.parse(cli(["key", "show", "owner_key", "--json"]).out)).toEqual({
    path: "owner_key",
    publicKey,
    encrypted: true,
  });
  // The key is asked for before the file is: with the right one the next problem is told.
  expect(cli(["sign", "gone", "--key-file", "owner_key"]).err).toContain("is encrypted");
  const wrong = cli(["sign", "gone", "--key-file", "owner_key"], { RUSTPATCHER_PASSPHRASE: "x" });
  expect(wrong.err).toContain("does not open");
  expect(cli(["sign", "gone", "--key-file", "owner_key"], env).err).toContain("there is no file");
  expect(cli(["key", "shwo", "owner_key"])).toMatchObject({ code: 2 });
  rmSync(join(directory, "owner_key"));
}, 60_000);

test("typed in a terminal, it is not shown", async () => {
  writeKeyFile(join(directory, "typed_key"), seed);
  let shown = "";
  const child = Bun.spawn([process.execPath, MAIN, "key", "encrypt", "typed_key"], {
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", HOME: directory, TERM: "xterm" },
    terminal: {
      cols: 100,
      rows: 20,
      data(terminal, bytes) {
        shown += bytes.toString();
        // Echo is off once stty has run, which is a moment after the question.
        if (/(New passphrase|The same again): $/.test(shown)) {
          setTimeout(() => terminal.write(`${PASSPHRASE}\n`), 300);
        }
      },
    },
    timeout: TIMEOUT_MS,
  });
  expect([await child.exited, shown]).toEqual([0, expect.stringContaining("is encrypted now")]);
  child.terminal?.close();
  expect(shown).not.toContain(PASSPHRASE);
  expect(readKeyFile(join(directory, "typed_key"), () => PASSPHRASE)).toEqual(seed);
}, 60_000);
