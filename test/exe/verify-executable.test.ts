/** Step 6. Every case is a file in which one thing is wrong; the file without it verifies. */
import { describe, expect, test } from "bun:test";
import { asContentRoot, asSignature } from "../../src/core/brand.ts";
import { concat, equal } from "../../src/core/bytes.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { memorySource } from "../../src/core/source.ts";
import { parseVersion } from "../../src/core/version.ts";
import { signRecord, type VerifiedRecord } from "../../src/core/release-record.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import { decodeRegion, encodeRegion } from "../../src/exe/full-region.ts";
import { CORE_BYTES, REGION_BYTES, unsignedCore } from "../../src/exe/region.ts";
import { verifyExecutable, type VerifiedFull } from "../../src/exe/verify-executable.ts";
import { makeRelease, type ReleaseOptions } from "../helpers/release.ts";
import {
  coreImage,
  ELF_X64,
  MUSL,
  signedImage,
  tinyElf,
  tinyPe,
  tinyStream,
  type ImageOptions,
} from "../helpers/tiny-executables.ts";

const seed = generateSeed();
const owner = publicKeyOf(seed);
const OFFSET = 70_000;

const verify = (file: Uint8Array): ReturnType<typeof verifyExecutable> =>
  verifyExecutable(memorySource(file), { owner });

function verifyFull(file: Uint8Array): VerifiedFull {
  const verified = verify(file);
  if (verified.kind !== "full") throw new Error("core only");
  return verified;
}

const image = (lies: Partial<ImageOptions> = {}): Uint8Array => signedImage({ seed, ...lies });

test("a file that its owner signed verifies, with and without naming the owner", () => {
  const file = image();
  const verified = verifyFull(file);
  expect(verified.offset).toBe(OFFSET);
  expect(equal(verified.region, file.subarray(OFFSET, OFFSET + REGION_BYTES))).toBe(true);
  expect(verified.record.record.version.text).toBe("1.2.3");
  expect(verified.table.lengthBytes).toBe(tinyStream().length);
  expect(verifyExecutable(memorySource(file)).owner).toEqual(owner);
});

describe("changes by somebody without the key", () => {
  test("any byte of the file, at a thousand places and at every place of the region", () => {
    const file = image();
    const places = Array.from({ length: 1_000 }, (_, index) => (index * 7_919) % file.length);
    for (let index = 0; index < REGION_BYTES; index++) places.push(OFFSET + index);
    for (const place of places) {
      file[place] = (file[place] ?? 0) ^ 1;
      let isAccepted = true;
      try {
        verifyFull(file);
      } catch {
        isAccepted = false;
      }
      file[place] = (file[place] ?? 0) ^ 1;
      if (isAccepted) throw new Error(`a change at ${place} was accepted`);
    }
    expect(() => verifyFull(file)).not.toThrow();
  }, 60_000);

  test("bytes appended, cut off or put in front", () => {
    const file = image();
    expect(() => verify(concat(file, Uint8Array.of(0)))).toThrow("appended");
    expect(() => verify(file.subarray(0, -1))).toThrow("cut off");
    expect(() => verify(concat(Uint8Array.of(0), file))).toThrow();
  });

  test("the region moved to 20 other offsets (A7)", () => {
    const file = image();
    const stream = tinyStream();
    const region = file.subarray(OFFSET, OFFSET + REGION_BYTES);
    for (let run = 0; run < 20; run++) {
      const at = (run * 7_549) % stream.length;
      const moved = concat(stream.subarray(0, at), region, stream.subarray(at));
      expect(() => verify(moved)).toThrow("was signed at 70000");
    }
    expect(() =>
      verify(concat(stream.subarray(0, OFFSET), region, stream.subarray(OFFSET))),
    ).not.toThrow();
  });

  test("the core alone moved to 20 other offsets: its signature holds, so the file is never a full one (A7)", () => {
    const file = image();
    const core = file.subarray(OFFSET, OFFSET + CORE_BYTES);
    const rest = concat(file.subarray(0, OFFSET), file.subarray(OFFSET + CORE_BYTES));
    for (let run = 1; run <= 20; run++) {
      const at = (run * 7_549) % rest.length;
      const moved = concat(rest.subarray(0, at), core, rest.subarray(at));
      // What the ancestor signs does not say where it stands.
      expect(verify(moved).kind).toBe("core");
      expect(() => verifyFull(moved)).toThrow("core only");
    }
  });

  test("an older region of the same owner on a newer file, and the other way round", () => {
    const older = image({ stream: tinyStream() });
    const newerStream = concat(tinyStream(), Uint8Array.of(1));
    const newer = image({ stream: newerStream });
    const mixed = newer.slice();
    mixed.set(older.subarray(OFFSET, OFFSET + REGION_BYTES), OFFSET);
    expect(() => verify(mixed)).toThrow();
  });

  test("a region without a signature (A14)", () => {
    const core = unsignedCore(parseVersion("1.2.3"));
    expect(() => verify(image({ core }))).toThrow("run `rustpatcher sign`");
    expect(() => verify(image({ extension: { record: undefined } }))).toThrow(
      "run `rustpatcher sign`",
    );
  });

  test("another owner's file, whoever it says it belongs to (B5)", () => {
    const other = generateSeed();
    expect(() => verify(image({ seed: other }))).toThrow("another owner");
    expect(() => verify(image({ seed: other, extension: { owner } }))).toThrow("owner key");
    expect(() => verify(image({ recordSeed: other }))).toThrow("release record");
    expect(() =>
      verify(image({ core: { signature: asSignature(new Uint8Array(64).fill(1)) } })),
    ).toThrow("owner key");
  });
});

describe("files that the owner signed although they contradict themselves", () => {
  test.each<[string, Partial<ImageOptions>, string]>([
    ["region offset", { record: { regionOffset: OFFSET + 1 } }, "RECORD_MISMATCH"],
    ["length", { record: { lengthBytes: tinyStream().length + 1 } }, "SIZE_MISMATCH"],
    [
      "content root",
      { record: { root: asContentRoot(new Uint8Array(32).fill(1)) } },
      "ROOT_MISMATCH",
    ],
    ["version", { record: { version: parseVersion("1.2.4") } }, "RECORD_MISMATCH"],
    ["app", { record: { app: "other" } }, "RECORD_MISMATCH"],
    ["channel", { record: { channel: "beta" } }, "RECORD_MISMATCH"],
    ["target", { record: { target: "linux-x64-musl" } }, "RECORD_MISMATCH"],
    ["extension's app", { extension: { app: "other" } }, "RECORD_MISMATCH"],
    ["extension's owner", { extension: { owner: publicKeyOf(generateSeed()) } }, "OWNER_MISMATCH"],
    ["core version", { core: { version: parseVersion("9.9.9") } }, "RECORD_MISMATCH"],
    ["core size 0 (A9)", { core: { sizeBytes: 0 } }, "SIZE_MISMATCH"],
    ["core size off by 176 (A9)", { core: { sizeBytes: image().length } }, "SIZE_MISMATCH"],
    ["core hash", { core: { hash: new Uint8Array(32).fill(1) } }, "HASH_MISMATCH"],
  ])("%s", (_what, lies, code) => {
    let caught: unknown;
    try {
      verify(image(lies));
    } catch (error) {
      caught = error;
    }
    expect(Reflect.get(Object(caught), "code")).toBe(code);
  });

  test("a header for another machine than the target", () => {
    const forMusl = tinyStream(tinyElf(ELF_X64, MUSL));
    const musl = { target: "linux-x64-musl" } as const;
    expect(() => verify(image({ stream: forMusl }))).toThrow("is for linux-x64-musl");
    expect(() => verify(image({ stream: tinyStream(tinyPe()) }))).toThrow("is for windows-x64");
    expect(() => verify(image({ record: musl, extension: musl }))).toThrow("is for linux-x64 ");
    expect(() => verify(image({ stream: forMusl, record: musl, extension: musl }))).not.toThrow();
    expect(() => verify(image({ stream: tinyStream(new Uint8Array(64)) }))).toThrow("not a whole");
  });
});

describe("a core of the Rust crate", () => {
  test("verifies against the owner that is named, and no other", () => {
    const file = coreImage({ seed });
    expect(verify(file)).toMatchObject({ kind: "core", offset: OFFSET });
    expect(() => verifyExecutable(memorySource(file))).toThrow("give the public key");
    const other = publicKeyOf(generateSeed());
    expect(() => verifyExecutable(memorySource(file), { owner: other })).toThrow("owner key");
  });

  test("is refused unsigned, cut off, or changed", () => {
    const file = coreImage({ seed });
    expect(() => verify(coreImage({ seed, core: unsignedCore(undefined) }))).toThrow("not signed");
    expect(() => verify(file.subarray(0, -1))).toThrow("cut off");
    const changed = file.slice();
    changed[5] = 99;
    expect(() => verify(changed)).toThrow("changed after it was signed");
  });
});

describe("a region as a peer announces it", () => {
  const verified = verifyFull(image());
  const check = (region: Uint8Array, by = owner): unknown =>
    checkRegion(by, region, verified.record);

  test("is accepted when it is the owner's and for this record", () => {
    expect(() => check(verified.region)).not.toThrow();
  });

  test("is refused when it is for another release of the same owner", () => {
    const other = verifyFull(image({ stream: concat(tinyStream(), Uint8Array.of(1)) }));
    expect(() => check(other.region)).toThrow("differ in: record");
  });

  test("is refused when it is another owner's", () => {
    const other = generateSeed();
    const region = image({ seed: other }).subarray(OFFSET, OFFSET + REGION_BYTES);
    expect(() => check(region)).toThrow("owner key");
    expect(() => check(verified.region, publicKeyOf(other))).toThrow("owner key");
  });

  test("is refused when the owner signed a contradiction into it", () => {
    const { bytes, signature } = verified.record;
    const regionWith = (extension: NonNullable<ImageOptions["extension"]>): Uint8Array =>
      image({ extension }).subarray(OFFSET, OFFSET + REGION_BYTES);
    const owned = { bytes, signature };
    const otherBytes = { bytes: concat(bytes, Uint8Array.of(0)), signature };
    const otherSignature = { bytes, signature: asSignature(new Uint8Array(64).fill(1)) };
    expect(() => check(regionWith({ record: owned }))).not.toThrow();
    expect(() => check(regionWith({ record: otherBytes }))).toThrow("differ in: record");
    expect(() => check(regionWith({ record: otherSignature }))).toThrow("differ in: record");
    expect(() => check(regionWith({ record: undefined }))).toThrow("differ in: record");
    const stranger = publicKeyOf(generateSeed());
    expect(() => check(regionWith({ owner: stranger }))).toThrow("another owner");
  });

  describe("with the record of before, when the owner announces the executable anew", () => {
    const old = makeRelease(seed, { version: "1.0.0", publishedS: 1_000 });
    const anew = (options: Partial<ReleaseOptions> = {}): VerifiedRecord =>
      makeRelease(seed, { version: "1.0.0", publishedS: 2_000, isPinned: true, ...options }).record;
    const checkOld = (record: VerifiedRecord) => () => checkRegion(owner, old.region, record);

    test("is taken: same content, same settings", () => {
      expect(checkOld(anew())).not.toThrow();
      expect(checkOld(anew({ x: { withdrawn: parseVersion("1.0.1") } }))).not.toThrow();
    });

    test("is refused with other settings, or when the record does not say which", () => {
      expect(checkOld(anew({ mode: "manual" }))).toThrow("differ in: settings");
      expect(checkOld(anew({ isPinned: false }))).toThrow("differ in: record");
    });

    test("is refused for another version, content or place", () => {
      expect(checkOld(anew({ version: "1.0.1" }))).toThrow("differ in: record");
      expect(checkOld(anew({ salt: 2 }))).toThrow("differ in: record");
      const { record } = anew();
      const moved = signRecord(seed, { ...record, regionOffset: record.regionOffset + 1 });
      expect(checkOld(moved)).toThrow("differ in: record");
    });

    test("is refused when that record was not the owner's", () => {
      const { core, extension } = decodeRegion(old.region);
      if (extension?.record === undefined) throw new Error("no record");
      const { bytes } = extension.record;
      const forged = { bytes, signature: signRecord(generateSeed(), old.record.record).signature };
      const region = encodeRegion(core, { ...extension, record: forged });
      expect(() => checkRegion(owner, region, anew())).toThrow("differ in: record");
    });
  });

  test("is refused with any byte of the signed fields changed", () => {
    for (let index = 28; index < 148; index++) {
      const region = verified.region.slice();
      region[index] = (region[index] ?? 0) ^ 1;
      expect(() => check(region)).toThrow();
    }
  });

  test("is refused blank, unsigned, short or long", () => {
    expect(() => check(new Uint8Array(REGION_BYTES))).toThrow("marker");
    expect(() => check(verified.region.subarray(1))).toThrow("4095");
    const unsigned = verified.region.slice();
    unsigned.fill(0, 68, 132);
    expect(() => check(unsigned)).toThrow("run `rustpatcher sign`");
  });
});
