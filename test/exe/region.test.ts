import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { asSignature } from "../../src/core/brand.ts";
import { concat, equal, fromHex, u64le, utf8 } from "../../src/core/bytes.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { EXECUTABLE_MAX_BYTES } from "../../src/core/limits.ts";
import { parseVersion } from "../../src/core/version.ts";
import {
  decodeExtension,
  encodeExtension,
  EXTENSION_BYTES,
  EXTENSION_MAGIC,
  type Extension,
} from "../../src/exe/extension.ts";
import { blankRegion, decodeRegion, encodeRegion } from "../../src/exe/full-region.ts";
import {
  CORE_BYTES,
  coreState,
  decodeCore,
  encodeCore,
  MARKER,
  REGION_BYTES,
  unsignedCore,
  type RegionCore,
} from "../../src/exe/region.ts";
import zip215 from "../vectors/ed25519-zip215.json" with { type: "json" };

const core: RegionCore = {
  hash: new Uint8Array(32).fill(0xaa),
  sizeBytes: 0x0102_0304,
  signature: asSignature(new Uint8Array(64).fill(0xbb)),
  version: parseVersion("1.2.3"),
};

/** The layout of rustpatcher 0.2 (embed.rs, EMBED_REGION), written out by hand. */
const DUMP = [
  "1742 525553545041544348 4552 42 454d424544 42 424f554e4453 42 17", //   0 marker
  "aa".repeat(32), //                                                     28 hash
  "04030201 00000000", //                                                  60 size, u64 LE
  "bb".repeat(64), //                                                     68 signature
  "312e322e33 0000000000000000000000", //                                 132 version
  "1742 525553545041544348 4552 42 454d424544 42 424f554e4453 42 17", // 148 marker
]
  .join("")
  .replaceAll(" ", "");

describe("core", () => {
  test("is the layout of the Rust crate, bit for bit", () => {
    expect(encodeCore(core).toHex()).toBe(DUMP);
    expect(encodeCore(core)).toHaveLength(CORE_BYTES);
    expect(decodeCore(fromHex(DUMP))).toEqual(core);
  });

  test("the marker is the Rust crate's", () => {
    const text = "\x17\x42RUSTPATCHER\x42EMBED\x42BOUNDS\x42\x17";
    expect(equal(MARKER, utf8(text))).toBe(true);
    expect(MARKER).toHaveLength(28);
  });

  test("tells its state", () => {
    expect(coreState(unsignedCore(undefined))).toBe("blank");
    expect(coreState(unsignedCore(core.version))).toBe("reserved");
    expect(coreState(core)).toBe("signed");
  });

  test.each([0, 175, 177, 4096])("refuses %d bytes", (length) => {
    expect(() => decodeCore(new Uint8Array(length))).toThrow("instead of 176");
  });

  test("refuses either marker with any bit flipped", () => {
    for (const start of [0, 148]) {
      for (let bit = start * 8; bit < (start + 28) * 8; bit++) {
        const bytes = fromHex(DUMP);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => decodeCore(bytes)).toThrow("marker");
      }
    }
  });

  test.each([2n ** 53n, 2n ** 64n - 1n, BigInt(EXECUTABLE_MAX_BYTES) + 1n])(
    "refuses the size %d before it is used (A9)",
    (size) => {
      const bytes = fromHex(DUMP);
      bytes.set(u64le(size), 60);
      expect(() => decodeCore(bytes)).toThrow("size field");
      bytes.set(u64le(EXECUTABLE_MAX_BYTES), 60);
      expect(() => decodeCore(bytes)).not.toThrow();
    },
  );

  test.each([
    ["1", "not three parts"],
    ["v1.2.3", "a prefix"],
    ["01.2.3", "a leading zero"],
    ["1.2.3 ", "a trailing space"],
    ["1.2.3\0\0x", "bytes behind the padding"],
    ["\x001.2.3", "a NUL in front"],
    ["1.2.3\xff", "a byte that is not ASCII"],
    ["1.2.3-abcdefghi\n", "a line break in 16 bytes"],
  ])("refuses the version field %j (B6)", (text) => {
    const field = new Uint8Array(16);
    field.set(Buffer.from(text, "latin1"));
    const bytes = fromHex(DUMP);
    bytes.set(field, 132);
    expect(() => decodeCore(bytes)).toThrow("not a version");
  });

  test("a version of 16 characters fills the field and is read back", () => {
    const version = parseVersion("1.2.3-abcdefghij");
    expect(decodeCore(encodeCore({ ...core, version })).version).toEqual(version);
  });
});

const extension: Extension = {
  app: "@scope/hello",
  owner: publicKeyOf(generateSeed()),
  target: "linux-arm64-musl",
  channel: "beta",
  mode: "at 03:30",
  intervalSeconds: 30,
  upload: "500 KB/s",
  bootstrap: ["127.0.0.1:49737", "[::1]:1"],
  sharedSecret: new Uint8Array(32).fill(5),
  record: {
    bytes: new Uint8Array(300).fill(6),
    signature: asSignature(new Uint8Array(64).fill(7)),
  },
};

describe("extension", () => {
  test("decode ∘ encode is the identity, with and without the optional fields", () => {
    const bare: Extension = {
      ...extension,
      intervalSeconds: undefined,
      upload: undefined,
      bootstrap: [],
      sharedSecret: undefined,
      record: undefined,
    };
    for (const one of [extension, bare, { ...extension, statistics: false }]) {
      expect(decodeExtension(encodeExtension(one))).toEqual(one);
      expect(encodeExtension(one)).toHaveLength(EXTENSION_BYTES);
    }
  });

  test("refuses every byte changed into another structure, and never reads out of bounds", () => {
    const bytes = encodeExtension(extension);
    const used = 10 + (bytes[8] ?? 0) + (bytes[9] ?? 0) * 256;
    // Values may change without breaking the form (the core hash covers them); lengths and types may not.
    for (let index = 0; index < used; index++) {
      const changed = bytes.slice();
      changed[index] = (changed[index] ?? 0) ^ 0x80;
      try {
        decodeExtension(changed);
      } catch (error) {
        expect(Reflect.get(Object(error), "code")).toBe("EXTENSION_INVALID");
      }
    }
  });

  test("refuses anything behind the map, so that nothing can be hidden there", () => {
    const bytes = encodeExtension(extension);
    for (const index of [bytes.length - 1, bytes.length - 1000]) {
      const changed = bytes.slice();
      changed[index] = 1;
      expect(() => decodeExtension(changed)).toThrow("after the configuration");
    }
  });

  test("refuses another magic, an impossible length, and a wrong size", () => {
    const bytes = encodeExtension(extension);
    const magic = bytes.slice();
    magic[0] = 0;
    expect(() => decodeExtension(magic)).toThrow("no magic");
    const length = bytes.slice();
    length.set([0xff, 0xff], 8);
    expect(() => decodeExtension(length)).toThrow("longer than the region");
    expect(() => decodeExtension(bytes.subarray(1))).toThrow("bytes of extension");
  });

  test("refuses an owner that no key generator makes, which the app would follow at start (B2)", () => {
    const bytes = encodeExtension(extension);
    const at = Buffer.from(bytes).indexOf(extension.owner);
    const weak = bytes.slice();
    weak.set(fromHex(zip215.canonical[4] ?? ""), at);
    expect(() => decodeExtension(weak)).toThrow("cannot be read");
    weak.set(publicKeyOf(generateSeed()), at);
    expect(() => decodeExtension(weak)).not.toThrow();
  });

  test("refuses what does not fit when it is written", () => {
    const bootstrap = Array.from({ length: 60 }, (_, index) => `${"host".repeat(18)}:${index + 1}`);
    expect(() => encodeExtension({ ...extension, bootstrap })).toThrow("does not fit");
  });
});

describe("region", () => {
  test("embed/region.bin is the blank region", () => {
    const asset = new Uint8Array(readFileSync(new URL("../../embed/region.bin", import.meta.url)));
    expect(equal(asset, blankRegion())).toBe(true);
    expect(asset).toHaveLength(REGION_BYTES);
    expect(decodeRegion(asset)).toEqual({ core: unsignedCore(undefined), extension: undefined });
    expect(equal(asset.subarray(CORE_BYTES, CORE_BYTES + 8), EXTENSION_MAGIC)).toBe(true);
  });

  test("is core and extension", () => {
    const bytes = encodeRegion(core, extension);
    expect(equal(bytes, concat(encodeCore(core), encodeExtension(extension)))).toBe(true);
    expect(decodeRegion(bytes)).toEqual({ core, extension });
    expect(() => decodeRegion(bytes.subarray(1))).toThrow("4095 bytes");
  });

  test("no source file that travels into an app spells the marker (A4)", () => {
    const printable = "RUSTPATCHER".concat("BEMBED");
    for (const folder of ["src", "embed"]) {
      const root = `${import.meta.dir}/../../${folder}`;
      for (const file of new Bun.Glob("**/*.{ts,cts}").scanSync({ cwd: root })) {
        expect(readFileSync(`${root}/${file}`, "latin1")).not.toContain(printable);
      }
    }
  });
});
