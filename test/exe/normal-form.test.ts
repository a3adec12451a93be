import { describe, expect, test } from "bun:test";
import { array, assert, integer, nat, oneof, property, tuple } from "fast-check";
import { concat, equal } from "../../src/core/bytes.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { memorySource } from "../../src/core/source.ts";
import type { Target } from "../../src/core/target.ts";
import { detectMachine } from "../../src/exe/detect.ts";
import { ExeError } from "../../src/exe/error.ts";
import {
  checkCodeSignature,
  completion,
  normalForm,
  tryCodeSignature,
} from "../../src/exe/normal-form.ts";
import { machoLayout } from "../../src/exe/macho-layout.ts";
import { peLayout } from "../../src/exe/pe-layout.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import {
  authenticode,
  codesign,
  readSignature,
  resealed,
  type CodesignOptions,
} from "../helpers/code-signature.ts";
import {
  signedImage,
  tinyElf,
  tinyMacho,
  tinyPe,
  tinyStream,
} from "../helpers/tiny-executables.ts";

const seed = generateSeed();
const owner = publicKeyOf(seed);
/** Of the region. */
const OFFSET = 5_000;
const MACHO = complete(image("darwin-arm64", tinyMacho()));
const PE = image("windows-x64", tinyPe());

function image(target: Target, header: Uint8Array): Uint8Array {
  // Six pages, the last one partial.
  const stream = concat(header, tinyStream().subarray(0, 20_000));
  return signedImage({ seed, stream, offset: OFFSET, record: { target }, extension: { target } });
}

/** As `sign`, `fetch` and an update complete what they have put together. */
function complete(file: Uint8Array): Uint8Array {
  const normal = normalForm(memorySource(file));
  const out = Buffer.from(normal.read(0, normal.sizeBytes));
  return completion(normal).reduce((whole, { offset, bytes }) => {
    const end = Math.max(whole.length, offset + bytes.length);
    const next = Buffer.alloc(end);
    whole.copy(next);
    next.set(bytes, offset);
    return next;
  }, out);
}

function normalOf(file: Uint8Array): Uint8Array {
  const normal = normalForm(memorySource(file));
  return Uint8Array.from(normal.read(0, normal.sizeBytes));
}

const check = (file: Uint8Array) => checkCodeSignature(memorySource(file));
const verify = (file: Uint8Array) => verifyExecutable(memorySource(file), { owner });

/** "same" when it is accepted and stands for the same signed bytes. Anything but an ExeError escapes. */
function verdict(file: Uint8Array, normal: Uint8Array): "refused" | "other" | "same" {
  try {
    check(file);
    return equal(normalOf(file), normal) ? "same" : "other";
  } catch (error) {
    if (error instanceof ExeError) return "refused";
    throw error;
  }
}

function patched(file: Uint8Array, offset: number, ...bytes: number[]): Uint8Array {
  const out = Uint8Array.from(file);
  out.set(bytes, offset);
  return out;
}

function flipped(file: Uint8Array, offset: number, mask = 1): Uint8Array {
  return patched(file, offset, (file[offset] ?? 0) ^ mask);
}

describe("a Mach-O file", () => {
  test("completed, has a signature that another reading finds right, page by page", () => {
    const { wrongPages, pages, limit, offset, sizeBytes, flags } = readSignature(
      Buffer.from(MACHO),
    );
    expect({ wrongPages, limit, flags }).toEqual({
      wrongPages: [],
      limit: offset,
      flags: 0x2_0002,
    });
    expect(pages).toBe(Math.ceil(offset / 4096));
    expect(offset % 4096).not.toBe(0);
    expect(offset + sizeBytes).toBe(MACHO.length);
    expect(check(MACHO)).toBe("ad-hoc");
    expect(verify(MACHO).kind).toBe("full");
  });

  test("has a right last page whatever its length", () => {
    assert(
      property(integer({ min: 0, max: 1025 }), (units) => {
        const file = complete(concat(tinyMacho(), new Uint8Array(units * 16).fill(7)));
        const { wrongPages, limit } = readSignature(Buffer.from(file));
        expect(wrongPages).toEqual([]);
        expect(limit).toBe(1024 + units * 16);
        expect(check(file)).toBe("ad-hoc");
      }),
      { numRuns: 100, examples: [[0], [192], [193], [448], [1024]] },
    );
  });

  test("completing is the identity on what is complete", () => {
    expect(equal(complete(MACHO), MACHO)).toBe(true);
    expect(equal(complete(codesign(MACHO)), MACHO)).toBe(true);
  });

  test("has no byte that could be changed: it is in the normal form, or it is refused", () => {
    const normal = normalOf(MACHO);
    const { offset } = readSignature(Buffer.from(MACHO));
    const places = [
      // Before that the magic: another one makes it no Mach-O file.
      ...Array.from({ length: 1020 }, (_, index) => 4 + index),
      ...Array.from({ length: MACHO.length - offset }, (_, index) => offset + index),
      4095,
      4096,
      OFFSET + 200,
      offset - 1,
    ];
    for (const place of places) {
      expect([place, verdict(flipped(MACHO, place), normal)]).toEqual([place, "refused"]);
    }
  });

  test.each([
    ["a byte behind the signature", concat(MACHO, Uint8Array.of(0))],
    ["a byte missing at the end", MACHO.subarray(0, -1)],
    ["no signature", normalOf(MACHO)],
    ["a signature command of another size", patched(MACHO, 180, 24)],
    ["two signature commands", patched(MACHO, 104, 0x1d, 0, 0, 0, 72)],
    ["no signature command", patched(MACHO, 176, 0x2a)],
    ["a load command of no size", patched(MACHO, 36, 0)],
    ["more load commands than fit", patched(MACHO, 16, 4)],
    ["commands that end in the middle of one", patched(MACHO, 20, 152)],
    ["commands behind the end of the file", patched(MACHO, 20, 0, 0, 1, 0)],
    ["no __LINKEDIT", patched(MACHO, 112, 0x2e)],
    ["a segment behind __LINKEDIT", patched(MACHO, 32 + 48, 0, 8)],
    ["another ad-hoc signature, right in itself", codesign(MACHO, { flags: 2, cms: undefined })],
  ])("is refused with %s", (_what, file) => {
    expect(() => check(file)).toThrow(ExeError);
    expect(() => verify(file)).toThrow(ExeError);
  });

  test("is refused when a page was changed and its slot made right: then the owner's hash finds it", () => {
    const changed = complete(flipped(normalOf(MACHO), 15_000));
    expect(check(changed)).toBe("ad-hoc");
    expect(() => verify(changed)).toThrow("changed after it was signed");
  });

  test("never crashes on a mutated head, and is never accepted as something else", () => {
    const normal = normalOf(MACHO);
    const { offset } = readSignature(Buffer.from(MACHO));
    const place = oneof(integer({ min: 4, max: 191 }), integer({ min: offset, max: offset + 130 }));
    const edit = tuple(place, integer({ min: 0, max: 255 }));
    assert(
      property(array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
        const file = edits.reduce<Uint8Array>(
          (whole, [at, byte]) => patched(whole, at, byte),
          MACHO,
        );
        expect(verdict(file, normal)).toBe(equal(file, MACHO) ? "same" : "refused");
      }),
      { numRuns: 1000 },
    );
  });

  test("never crashes when it is cut off anywhere", () => {
    const normal = normalOf(MACHO);
    for (let length = 4; length < MACHO.length; length += length < 2000 ? 1 : 97) {
      expect(verdict(MACHO.subarray(0, length), normal)).toBe("refused");
    }
  });
});

describe("codesign after sign", () => {
  const signed = codesign(MACHO);

  test("survives: the same owner's hash, root and record", () => {
    expect(check(signed)).toBe("cms");
    expect(equal(normalOf(signed), normalOf(MACHO))).toBe(true);
    const [before, after] = [verify(MACHO), verify(signed)];
    if (before.kind !== "full" || after.kind !== "full") throw new Error("not full");
    expect(after.core.hash).toEqual(before.core.hash);
    expect(after.table.root).toEqual(before.table.root);
  });

  test.each([
    ["pages of 4 KiB", { pageBits: 12 }, "cms"],
    ["other entitlements and another name", { identifier: "x", entitlements: "<a/>" }, "cms"],
    ["no slack", { slackBytes: 0 }, "cms"],
    ["the ad-hoc flag beside a certificate", { flags: 2 }, "another kind"],
    ["no certificate and no ad-hoc flag", { cms: undefined }, "another kind"],
    ["another hash", { hashType: 1 }, "SHA-256"],
    ["impossible pages", { pageBits: 20 }, "impossible size"],
  ] as const)("%s: %s", (_what, options: CodesignOptions, outcome) => {
    const file = codesign(MACHO, options);
    if (outcome === "cms") expect(check(file)).toBe("cms");
    else expect(() => check(file)).toThrow(outcome);
  });

  test("no page, no slot and no entitlement can be changed behind its back", () => {
    const { offset } = readSignature(signed);
    const plist = signed.indexOf("<plist/>");
    const directory = offset + 12 + 8 * 4;
    const slots = directory + signed.readUInt32BE(directory + 16);
    expect(() => check(flipped(signed, 20_000))).toThrow("does not match its slot");
    expect(() => check(flipped(signed, offset - 1))).toThrow("does not match its slot");
    expect(() => check(flipped(signed, slots))).toThrow("does not match its slot");
    expect(() => check(flipped(signed, slots - 5 * 32))).toThrow("special slot 5");
    expect(() => check(flipped(signed, plist))).toThrow("special slot 5");
    expect(() => check(flipped(signed, signed.length - 1))).toThrow("behind its blobs");
    // The segment's size in memory: not in a page that anybody compares, if it were not for this check.
    expect(check(signed)).toBe("cms");
  });

  /** With its pages hashed anew, so that only the one check is left that the test is about. */
  function changed(edit: (file: Buffer) => void, file: Uint8Array = signed): Uint8Array {
    const out = Buffer.from(file);
    edit(out);
    const sealed = resealed(out);
    expect(readSignature(sealed).wrongPages).toEqual([]);
    return sealed;
  }

  test.each([
    [
      "another size in memory",
      (file) => file.writeUInt8(file.readUInt8(138) ^ 1, 138),
      "in memory",
    ],
    ["a __LINKEDIT that ends elsewhere", (file) => file.writeUInt8(1, 104 + 55), "at the end"],
    ["a segment in the signature", (file) => file.writeUInt32LE(4096, 32 + 48), "at the end"],
    ["bytes behind the commands", (file) => file.writeUInt32LE(168, 20), "cut off"],
    [
      "a second signature command",
      (file) => {
        file.writeUInt32LE(4, 16);
        file.writeUInt32LE(176, 20);
        file.copy(file, 192, 176, 192);
      },
      "more than one",
    ],
  ] as readonly (readonly [string, (file: Buffer) => void, string])[])(
    "is refused with %s",
    (_what, edit, message) => {
      expect(() => check(changed(edit))).toThrow(message);
      expect(check(changed(() => undefined))).toBe("cms");
    },
  );

  test("is refused when it does not begin at a multiple of 16, or ends before its pages do", () => {
    const odd = codesign(concat(normalOf(MACHO), new Uint8Array(8)));
    expect(() => check(odd)).toThrow("at the end");
    const directory = readSignature(signed).offset + 12 + 8 * 4;
    const short = Buffer.from(signed);
    short.writeUInt32BE(short.readUInt32BE(directory + 32) - 16, directory + 32);
    expect(() => check(short)).toThrow("does not cover all");
  });

  test("is refused with bytes between its blobs", () => {
    const { offset } = readSignature(signed);
    const at = offset + signed.readUInt32BE(offset + 12 + 8 * 3 + 4);
    const gap = Buffer.concat([
      signed.subarray(0, at),
      Buffer.alloc(8, 1),
      signed.subarray(at, -8),
    ]);
    gap.writeUInt32BE(gap.readUInt32BE(offset + 4) + 8, offset + 4);
    gap.writeUInt32BE(at - offset + 8, offset + 12 + 8 * 3 + 4);
    expect(() => check(gap)).toThrow("leave gaps");
  });

  test("never crashes on a mutated signature, and never stands for other bytes", () => {
    const normal = normalOf(MACHO);
    const { offset } = readSignature(signed);
    const edit = tuple(integer({ min: offset, max: offset + 260 }), nat(255));
    assert(
      property(array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const file = edits.reduce<Uint8Array>(
          (whole, [at, byte]) => patched(whole, at, byte),
          signed.slice(),
        );
        expect(verdict(file, normal)).not.toBe("other");
      }),
      { numRuns: 500 },
    );
  });
});

describe("a PE file", () => {
  const signed = authenticode(PE);

  test("signed with Authenticode afterwards, is the same to the owner's signature", () => {
    expect(check(PE)).toBe("none");
    expect(check(signed)).toBe("authenticode");
    expect(equal(normalOf(signed), normalOf(PE))).toBe(true);
    expect(verify(signed).core.hash).toEqual(verify(PE).core.hash);
  });

  test("has no byte that could be changed: it is in the normal form, or it is refused", () => {
    const normal = normalOf(PE);
    for (let place = 2; place < 1024; place++) {
      expect([place, verdict(flipped(PE, place), normal)]).not.toEqual([place, "same"]);
      expect([place, verdict(flipped(signed, place), normal)]).not.toEqual([place, "same"]);
    }
    expect(verdict(flipped(PE, PE.length - 1), normal)).toBe("other");
  });

  test.each([
    ["bytes behind it", concat(PE, new Uint8Array(8)), "cut off or appended"],
    ["a checksum without a certificate", patched(PE, 152 + 64, 1), "checksum"],
    ["bytes behind the certificates", concat(signed, new Uint8Array(8)), "end of the file"],
    ["a wrong checksum", flipped(signed, 152 + 64), "checksum"],
    ["a table of something else", flipped(signed, PE.length + 6), "not Authenticode's"],
    ["an entry longer than the table", flipped(signed, PE.length + 2), "cut off"],
    ["an empty entry", patched(signed, PE.length, 8, 0), "not Authenticode's"],
    ["no directory", patched(PE, 152 + 108, 4), "no place"],
    ["32 bits", patched(PE, 153, 1), "no place"],
  ])("is refused with %s", (_what, file, message) => {
    expect(() => verify(file)).toThrow(message);
  });

  test("keeps its certificate without a checksum", () => {
    expect(check(patched(signed, 152 + 64, 0, 0, 0, 0))).toBe("authenticode");
  });

  test("never crashes on a mutated head", () => {
    const normal = normalOf(PE);
    const edit = tuple(nat(320), nat(255));
    assert(
      property(array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
        const file = edits.reduce<Uint8Array>(
          (whole, [at, byte]) => patched(whole, at, byte),
          PE.slice(),
        );
        expect(verdict(file, normal)).not.toBe(equal(file, PE) ? "other" : "same");
      }),
      { numRuns: 3000 },
    );
  });
});

test("an ELF file is its own normal form", () => {
  const file = tinyStream(tinyElf());
  expect(equal(normalOf(file), file)).toBe(true);
  expect(completion(memorySource(file))).toEqual([]);
});

test("a universal file is refused with a sentence", () => {
  const fat = concat(Uint8Array.of(0xca, 0xfe, 0xba, 0xbe), new Uint8Array(4096));
  expect(() => detectMachine(memorySource(fat))).toThrow("universal");
});

/** Heads of executables by Bun 1.4.5, cut off behind load commands and optional header. */
describe("what Bun writes", () => {
  async function head(name: string, sizeBytes: number): Promise<ReturnType<typeof memorySource>> {
    const path = `${import.meta.dir}/fixtures/${name}.bin`;
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(await Bun.file(path).bytes());
    return memorySource(bytes);
  }

  test("for darwin-arm64", async () => {
    const source = await head("darwin-arm64", 89_160_066);
    expect(machoLayout(source)).toMatchObject({
      contentBytes: 88_468_784,
      signatureBytes: 691_282,
      signatureCommandOffset: 2560,
      text: { fileBytes: 86_228_992 },
      linkedit: { fileOffset: 88_244_224, fileBytes: 915_842, vmBytes: 0xe_0000 },
    });
  });

  test("for darwin-x64, with room behind the blobs", async () => {
    const source = await head("darwin-x64", 98_251_056);
    expect(machoLayout(source)).toMatchObject({
      contentBytes: 97_470_112,
      signatureBytes: 780_944,
    });
  });

  test.each([
    ["windows-x64", 115_368_960],
    ["windows-arm64", 100_277_760],
  ])("for %s", async (name, sizeBytes) => {
    const source = await head(name, sizeBytes);
    expect(peLayout(source)).toMatchObject({ contentBytes: sizeBytes, certificateBytes: 0 });
    expect(tryCodeSignature(source)).toBe("none");
  });
});
