import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
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
import { concat, equal, utf8 } from "../../src/core/bytes.ts";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { parseVersion } from "../../src/core/version.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import { blankRegion } from "../../src/exe/full-region.ts";
import { notesIn } from "../../src/exe/notes.ts";
import { encodeCore, REGION_BYTES, unsignedCore } from "../../src/exe/region.ts";
import { verifyExecutable, type VerifiedExecutable } from "../../src/exe/verify-executable.ts";
import { withFile } from "../../src/fs/file-source.ts";
import { reserveExecutable } from "../../src/release/reserve.ts";
import { toExtension, type Settings } from "../../src/release/settings.ts";
import { signExecutable, type SignedExecutable, type SignOptions } from "../../src/release/sign.ts";
import {
  coreImage,
  ELF_X64,
  MUSL,
  signedImage,
  tinyElf,
  tinyMacho,
  tinyPe,
  tinyStream,
} from "../helpers/tiny-executables.ts";

const seed = generateSeed();
const owner = publicKeyOf(seed);
const OFFSET = 3_000;
const settings: Settings = { app: "tiny", version: "1.2.3" };

let directory = "";
let path = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  path = join(directory, "app");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
beforeEach(() => rmSync(path, { recursive: true, force: true }));

/** A freshly compiled app. */
function blank(header: Uint8Array = tinyElf()): Uint8Array {
  const stream = tinyStream(header);
  return concat(stream.subarray(0, OFFSET), blankRegion(), stream.subarray(OFFSET));
}

function put(bytes: Uint8Array): void {
  writeFileSync(path, bytes, { mode: 0o755 });
}

const sign = (options: Partial<SignOptions> = {}): SignedExecutable =>
  signExecutable(path, { seed, settings, publishedS: 1_790_000_000, ...options });

const verify = (): VerifiedExecutable =>
  withFile(path, (source) => verifyExecutable(source, { owner }));

describe("signing", () => {
  test("blank → signed: only the region changes, and the result verifies", () => {
    const before = blank();
    put(before);
    sign();
    const after = new Uint8Array(readFileSync(path));
    expect(equal(after.subarray(0, OFFSET), before.subarray(0, OFFSET))).toBe(true);
    expect(
      equal(after.subarray(OFFSET + REGION_BYTES), before.subarray(OFFSET + REGION_BYTES)),
    ).toBe(true);
    expect(verify()).toMatchObject({
      kind: "full",
      offset: OFFSET,
      extension: { app: "tiny", channel: "stable", mode: "now", target: "linux-x64" },
      record: { record: { publishedS: 1_790_000_000, regionOffset: OFFSET } },
    });
  });

  test("reserved → signed: what was reserved is kept, flags win over it", () => {
    put(blank());
    const reserved = {
      ...settings,
      channel: "beta",
      mode: "manual",
      intervalSeconds: 5,
      bootstrap: ["a:1"],
    };
    reserveExecutable(
      path,
      toExtension(reserved, owner, "linux-x64-baseline"),
      parseVersion("2.0.0"),
    );
    expect(verify).toThrow("not signed");
    const { verified } = sign({ settings: { mode: "at 03:30" } });
    expect(verified).toMatchObject({
      core: { version: { text: "2.0.0" } },
      extension: {
        target: "linux-x64-baseline",
        channel: "beta",
        mode: "at 03:30",
        intervalSeconds: 5,
        bootstrap: ["a:1"],
      },
    });
  });

  test("progress says of which file it is, to the end of it", () => {
    put(blank());
    const told: [number, number, string][] = [];
    sign({ onProgress: (...now) => told.push(now) });
    const fileBytes = readFileSync(path).length;
    expect(told.length).toBeGreaterThan(0);
    for (const [doneBytes, totalBytes, file] of told) {
      expect([totalBytes, file]).toEqual([fileBytes, "app"]);
      expect(doneBytes).toBeWithin(0, fileBytes + 1);
    }
  });

  test("signed → signed by the same owner: a new version of the same content", () => {
    put(blank());
    sign();
    sign({ settings: { version: "1.2.4" } });
    expect(verify().core.version?.text).toBe("1.2.4");
  });

  test("keeps mode and symbolic link, and leaves nothing beside the file", () => {
    put(blank());
    chmodSync(path, 0o711);
    const link = join(directory, "link");
    symlinkSync(path, link);
    signExecutable(link, { seed, settings, publishedS: 1 });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(statSync(path).mode & 0o7777).toBe(0o711);
    rmSync(link);
    expect(readdirSync(directory)).toEqual(["app"]);
  });

  test.each([
    [tinyElf(ELF_X64, MUSL), "linux-x64-musl"],
    [tinyPe(), "windows-x64"],
    [tinyMacho(), "darwin-arm64"],
  ] as const)("takes the target from the header", (header, target) => {
    put(blank(header));
    expect(sign().verified).toMatchObject({ extension: { target } });
  });

  test("takes name, version and configuration of a blank region from the nearest package.json", () => {
    const nested = join(directory, "project", "out");
    mkdirSync(nested, { recursive: true });
    const rustpatcher = { publicKey: keyText(owner), mode: "on-restart", channel: "beta" };
    writeFileSync(
      join(directory, "project", "package.json"),
      JSON.stringify({ name: "@scope/from-json", version: "3.1.4", rustpatcher }),
    );
    const nestedPath = join(nested, "app");
    writeFileSync(nestedPath, blank(), { mode: 0o755 });
    writeFileSync(path, blank(), { mode: 0o755 });
    const { verified } = signExecutable(nestedPath, { seed, publishedS: 1 });
    const elsewhere = signExecutable(path, { seed, publishedS: 1, directory: nested });
    rmSync(join(directory, "project"), { recursive: true });
    for (const one of [verified, elsewhere.verified]) {
      expect(one).toMatchObject({
        core: { version: { text: "3.1.4" } },
        extension: { app: "@scope/from-json", mode: "on-restart", channel: "beta" },
      });
    }
  });

  test("a core of the Rust crate is signed under its own version, in any kind of file", () => {
    const core = encodeCore(unsignedCore(parseVersion("0.2.1")));
    put(concat(new Uint8Array(500).fill(3), core, new Uint8Array(900).fill(4)));
    sign({ settings: {} });
    expect(verify()).toMatchObject({
      kind: "core",
      core: { version: { text: "0.2.1" }, sizeBytes: 1400 },
    });
  });
});

describe("refuses, and leaves the file as it was", () => {
  function refuses(bytes: Uint8Array, message: string, options: Partial<SignOptions> = {}): void {
    put(bytes);
    const before = statSync(path);
    expect(() => void sign(options)).toThrow(message);
    expect(equal(new Uint8Array(readFileSync(path)), bytes)).toBe(true);
    expect(statSync(path).ino).toBe(before.ino);
    expect(statSync(path).mtimeMs).toBe(before.mtimeMs);
    expect(readdirSync(directory)).toEqual(["app"]);
  }

  test("no region (A1)", () => refuses(tinyStream(), "no signature region"));
  test("an empty file (A11)", () => refuses(new Uint8Array(0), "no signature region"));
  test.each([1, 27, 175])("%d bytes (A11)", (sizeBytes) =>
    refuses(blankRegion().slice(0, sizeBytes), sizeBytes < 28 ? "no signature region" : "cut off"),
  );
  test("two regions (A2)", () => refuses(concat(blank(), blankRegion()), "exactly one"));
  test("a marker in the app's own data (A4)", () =>
    refuses(
      concat(blank(), blankRegion().slice(0, 28)),
      `${OFFSET}, ${OFFSET + 148}, ${blank().length}`,
    ));
  test("a region that the file ends in (A3)", () =>
    refuses(blank().slice(0, OFFSET + 1000), "ends inside"));
  test("a damaged version field", () => {
    const bytes = blank();
    bytes.set(utf8("1.2"), OFFSET + 132);
    refuses(bytes, "not a version");
  });
  test("no version", () => refuses(blank(), "there is no version", { settings: { app: "x" } }));
  test("no app name", () =>
    refuses(blank(), "there is no app name", { settings: { version: "1.0.0" } }));
  test.each(["1.2", "v1.2.3", "1.2.3-abcdefghijk", "", "1.2.3+1", "latest"])(
    "version %j (B6)",
    (version) => refuses(blank(), "is not a version", { settings: { app: "x", version } }),
  );
  test("a blank version in a core of the Rust crate", () =>
    refuses(
      concat(new Uint8Array(99), encodeCore(unsignedCore(undefined))),
      "there is no version",
      {
        settings: {},
      },
    ));
  test("another mode than there is", () =>
    refuses(blank(), "update mode", { settings: { ...settings, mode: "at 25:00" } }));
  test("another target than the header's", () =>
    refuses(blank(), "is for linux-x64, not for windows-x64", {
      settings: { ...settings, target: "windows-x64" },
    }));
  test("an unknown target", () =>
    refuses(blank(), "unknown target", { settings: { ...settings, target: "amiga" } }));
  test("a full region in what is no executable", () =>
    refuses(concat(new Uint8Array(3000), blankRegion()), "not a whole"));
  test("a macOS executable with only a core, whose code signature would be lost (A16)", () =>
    refuses(coreImage({ seed, stream: tinyStream(tinyMacho()) }), "macOS"));

  test("a key that is not the owner's in package.json or region (B5)", () => {
    const publicKey = keyText(publicKeyOf(generateSeed()));
    refuses(blank(), "belongs to owner", { settings: { ...settings, publicKey } });
  });

  test("a file of another owner, unless told to take it over (B5)", () => {
    const file = signedImage({ seed: generateSeed() });
    refuses(file, "belongs to owner");
    sign({ force: true });
    expect(verify().owner).toEqual(owner);
  });

  test("a core that another owner signed, unless told to take it over (B5)", () => {
    const file = coreImage({ seed: generateSeed() });
    refuses(file, "another owner key", { settings: {} });
    sign({ settings: {}, force: true });
    expect(verify().kind).toBe("core");
    // And again by the same owner, without being told.
    expect(() => sign({ settings: {} })).not.toThrow();
  });

  test("a file without write permission", () => {
    put(blank());
    chmodSync(path, 0o555);
    expect(() => void sign()).toThrow("not writable");
    expect(equal(new Uint8Array(readFileSync(path)), blank())).toBe(true);
  });

  test("a directory and nothing at all", () => {
    mkdirSync(path);
    expect(() => void sign()).toThrow("is not a file");
    rmSync(path, { recursive: true });
    expect(() => void sign()).toThrow("there is no file at");
  });
});

describe("the secret key inside the executable (A17)", () => {
  const spellings: [string, Uint8Array][] = [
    ["raw bytes", seed],
    ["hexadecimal", utf8(seed.toHex())],
    ["capital hexadecimal", utf8(seed.toHex().toUpperCase())],
    ["base64", utf8(seed.toBase64())],
    [
      "base64 without padding, in a longer text",
      utf8(seed.toBase64({ omitPadding: true }).slice(0, 42)),
    ],
    ["base64url", utf8(seed.toBase64({ alphabet: "base64url" }))],
    ["z-base-32", utf8(keyText(seed))],
    ["libsodium's 64 bytes", concat(seed, owner)],
  ];

  test.each(spellings)("as %s is refused, wherever it stands", (_what, secret) => {
    // The last place lies across two of the pieces in which the file is read.
    for (const place of [0, 1_500, 1024 * 1024 - 7]) {
      const large = concat(blank(), new Uint8Array(1024 * 1024));
      const bytes = concat(
        large.subarray(0, OFFSET + REGION_BYTES + place),
        secret,
        large.subarray(OFFSET + REGION_BYTES + place),
      );
      put(bytes);
      expect(() => void sign()).toThrow("secret owner key stands in this executable");
      expect(equal(new Uint8Array(readFileSync(path)), bytes)).toBe(true);
    }
  });

  test("the message does not tell the key", () => {
    put(concat(blank(), utf8(keyText(seed))));
    expect(() => void sign()).toThrow("z-base-32 at offset");
    expect(() => sign()).not.toThrow(keyText(seed));
  });

  test("the public key and other keys are no secret", () => {
    put(concat(blank(), owner, utf8(keyText(owner)), generateSeed()));
    expect(() => sign()).not.toThrow();
  });
});

describe("what is said of a release", () => {
  const signed = (options: Partial<SignOptions> = {}): VerifiedExecutable =>
    signExecutable(path, { seed, settings, publishedS: 1_790_000_000, ...options }).verified;
  const said = (verified: VerifiedExecutable): Record<string, unknown> => {
    if (verified.kind !== "full") throw new Error("core only");
    const { record } = verified.record;
    return { ...record.x, from: record.from?.text, text: notesIn(verified.extension, record) };
  };
  const announcement = { rolloutPercent: 10, isCritical: true, from: "1.0.0", notes: "quicker" };

  test("is in the record, and the notes in the region", () => {
    put(blank());
    expect(said(signed({ announcement }))).toMatchObject({
      rolloutPercent: 10,
      isCritical: true,
      from: "1.0.0",
      text: "quicker",
    });
  });

  test("is said anew by signing again: another share, the same content and notes", () => {
    put(blank());
    const first = signed({ announcement });
    const again = signed({ publishedS: 1_790_000_001, announcement: { rolloutPercent: 100 } });
    expect(said(again)).toEqual({
      settings: said(first)["settings"],
      notes: said(first)["notes"],
      from: undefined,
      text: "quicker",
    });
    if (first.kind !== "full" || again.kind !== "full") throw new Error("core only");
    // The copies that have the first region can serve it to those who know the second record.
    expect(() => checkRegion(owner, first.region, again.record)).not.toThrow();
    put(blank());
    const other = signed({ settings: { ...settings, mode: "manual" } });
    if (other.kind !== "full") throw new Error("core only");
    expect(() => checkRegion(owner, other.region, again.record)).toThrow("settings");
  });

  test.each([
    ["a rollout of 101", { rolloutPercent: 101 }],
    ["a rollout of -1", { rolloutPercent: -1 }],
    ["a rollout of 1.5", { rolloutPercent: 1.5 }],
    ["half a version", { from: "1" }],
    ["notes that colour", { notes: "\u001b[31mred" }],
    ["long notes", { notes: "x".repeat(5_000) }],
  ])("%s is refused, and the file stays as it was", (_what, wrong) => {
    put(blank());
    expect(() => signed({ announcement: wrong })).toThrow();
    expect(equal(readFileSync(path), blank())).toBe(true);
  });
});
