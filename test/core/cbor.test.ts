import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { concat, fromHex, utf8 } from "../../src/core/bytes.ts";
import { decodeCbor, encodeCbor, type CborValue } from "../../src/core/cbor.ts";
import { CBOR_MAX_DEPTH, CBOR_MAX_ITEMS, UINT_MAX } from "../../src/core/limits.ts";

const leaf: fc.Arbitrary<CborValue> = fc.oneof(
  fc.nat(UINT_MAX),
  fc.string({ unit: "grapheme", maxLength: 300 }),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 70_000 }),
);
const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: CBOR_MAX_DEPTH - 1 },
    leaf,
    fc.array(tie("value"), { maxLength: 3 }),
    fc
      .array(fc.tuple(fc.string({ unit: "grapheme", maxLength: 30 }), tie("value")), {
        maxLength: 3,
      })
      .map((entries) => new Map(entries)),
  ),
}));

test("decode ∘ encode is the identity, but for the order of map keys", () => {
  fc.assert(
    fc.property(value, (item) => {
      expect(decodeCbor(encodeCbor(item))).toEqual(item);
    }),
    { numRuns: 500 },
  );
});

test("encodes one value in one way only: whatever decodes encodes to the same bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      let item: CborValue;
      try {
        item = decodeCbor(bytes);
      } catch {
        return;
      }
      expect(encodeCbor(item)).toEqual(bytes);
    }),
    { numRuns: 20_000 },
  );
});

// RFC 8949, appendix A, and what is left of it here.
test.each([
  ["00", 0],
  ["17", 23],
  ["1818", 24],
  ["1903e8", 1000],
  ["1a000f4240", 1_000_000],
  ["1affffffff", UINT_MAX],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["60", ""],
  ["6449455446", "IETF"],
  ["62c3bc", "ü"],
  ["80", []],
  ["83010203", [1, 2, 3]],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
])("reads %s", (hex, expected) => {
  expect(decodeCbor(fromHex(hex))).toEqual(expected);
  expect(encodeCbor(expected)).toEqual(fromHex(hex));
});

test("reads byte strings and maps into memory of their own", () => {
  const bytes = fromHex("a161614401020304");
  const map = decodeCbor(bytes);
  bytes.fill(0);
  expect(map).toEqual(new Map([["a", Uint8Array.of(1, 2, 3, 4)]]));
});

describe("refuses (C2, C4, C5)", () => {
  test.each([
    ["nothing", ""],
    ["trailing bytes", "0000"],
    ["a negative number", "20"],
    ["a tag", "c100"],
    ["a tagged typed array", "d84043010203"],
    ["the record tag of cbor-x", "d9dfff8319e0008161610161"],
    ["a half float", "f93c00"],
    ["NaN", "f97e00"],
    ["a float", "fa47c35000"],
    ["a double", "fb3ff199999999999a"],
    ["undefined", "f7"],
    ["an unassigned simple value", "e0"],
    ["a two-byte simple value", "f8ff"],
    ["break", "ff"],
    ["a 64-bit number", "1b0000000100000000"],
    ["2^53", "1b0020000000000000"],
    ["2^64 - 1", "1bffffffffffffffff"],
    ["a number in two bytes that fits in one", "1817"],
    ["a number in three bytes that fits in two", "1900ff"],
    ["a number in five bytes that fits in three", "1a0000ffff"],
    ["a length in two bytes that fits in one", "580101"],
    ["reserved lengths", "1c"],
    ["indefinite bytes", "5f41014102ff"],
    ["an indefinite array", "9f01ff"],
    ["an indefinite map", "bf616101ff"],
    ["text that is not UTF-8", "61ff"],
    ["overlong UTF-8", "62c080"],
    ["a surrogate", "63eda080"],
    ["a key that is a number", "a10101"],
    ["a key twice", "a2616101616102"],
    ["keys out of order", "a2616201616102"],
    ["a longer key before a shorter one", "a262616101616202"],
    ["2^31 items", "9a80000000"],
    ["a map of 2^32 - 1 items", "baffffffff"],
    ["2^31 bytes", "5a80000000"],
    ["2^32 - 1 characters", "7affffffff"],
  ])("%s", (_what, hex) => {
    expect(() => decodeCbor(fromHex(hex))).toThrow();
  });

  test("arrays that are nested too deeply, 10,000 deep ones included", () => {
    const nested = (depth: number): Uint8Array =>
      concat(new Uint8Array(depth).fill(0x81), Uint8Array.of(0));
    expect(() => decodeCbor(nested(CBOR_MAX_DEPTH))).not.toThrow();
    expect(() => decodeCbor(nested(CBOR_MAX_DEPTH + 1))).toThrow("deeply");
    expect(() => decodeCbor(nested(10_000))).toThrow("deeply");
  });

  test("too many items", () => {
    const items = (count: number): Uint8Array =>
      concat(
        count < 0x100 ? Uint8Array.of(0x98, count) : Uint8Array.of(0x99, count >> 8, count & 255),
        new Uint8Array(count),
      );
    expect(() => decodeCbor(items(CBOR_MAX_ITEMS - 1))).not.toThrow();
    expect(() => decodeCbor(items(CBOR_MAX_ITEMS))).toThrow("too many");
  });

  test("every truncation of a valid document", () => {
    const bytes = encodeCbor(new Map<string, CborValue>([["a", [1, "text", new Uint8Array(300)]]]));
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeCbor(bytes.subarray(0, length))).toThrow();
    }
  });
});

test("keys named like parts of a prototype are plain keys of a Map", () => {
  const key = (name: string): Uint8Array => concat(Uint8Array.of(0x60 + name.length), utf8(name));
  const bytes = concat(
    Uint8Array.of(0xa2),
    key("__proto__"),
    fromHex("f5"),
    key("constructor"),
    fromHex("f5"),
  );
  const map = decodeCbor(bytes);
  expect(map).toBeInstanceOf(Map);
  expect([...(map as Map<string, CborValue>).keys()]).toEqual(["__proto__", "constructor"]);
  expect(Reflect.get({}, "f5")).toBeUndefined();
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
});
