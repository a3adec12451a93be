import { describe, expect, test } from "bun:test";
import nodeCrypto from "node:crypto";
import { asContentRoot, asSignature } from "../../src/core/brand.ts";
import { concat, fromHex } from "../../src/core/bytes.ts";
import { decodeCbor, encodeCbor, type CborValue } from "../../src/core/cbor.ts";
import { generateSeed, publicKeyOf, sign } from "../../src/core/keys.ts";
import { RECORD_MAX_BYTES } from "../../src/core/limits.ts";
import {
  checkName,
  decodeRecord,
  encodeRecord,
  mutableSignable,
  signRecord,
  verifyRecord,
  type ReleaseRecord,
} from "../../src/core/release-record.ts";
import type { RecordAdditions } from "../../src/core/record-additions.ts";
import { targetPublicKey } from "../../src/core/target-key.ts";
import { parseVersion } from "../../src/core/version.ts";

const seed = generateSeed();
const owner = publicKeyOf(seed);
const record: ReleaseRecord = {
  app: "@scope/hello",
  version: parseVersion("1.2.3-rc.1"),
  target: "linux-x64-musl",
  channel: "stable",
  lengthBytes: 109_209_776,
  regionOffset: 109_154_707,
  root: asContentRoot(new Uint8Array(32).fill(9)),
  publishedS: 1_790_000_000,
  expiresS: 0,
  from: undefined,
  x: {},
};
const ADDITIONS: RecordAdditions = {
  isCritical: true,
  notes: new Uint8Array(16).fill(1),
  rolloutPercent: 0,
  settings: new Uint8Array(16).fill(2),
  withdrawn: parseVersion("9.2.3-abcdefghij"),
};
const signed = signRecord(seed, record);

/** The record with one field of its map replaced, or removed. */
function altered(name: string, value: CborValue | undefined): Uint8Array {
  const map = new Map(decodeCbor(signed.bytes) as Map<string, CborValue>);
  if (value === undefined) map.delete(name);
  else map.set(name, value);
  return encodeCbor(map);
}

test("verifies what it signed, with and without the optional fields", () => {
  const full = {
    ...record,
    from: parseVersion("1.0.0"),
    expiresS: record.publishedS + 1,
    x: ADDITIONS,
  };
  for (const one of [record, full]) {
    const { bytes, signature } = signRecord(seed, one);
    expect(verifyRecord(owner, bytes, signature).record).toEqual(one);
    expect(decodeRecord(encodeRecord(one))).toEqual(one);
  }
});

test("the longest record that the fields allow fits into the limit", () => {
  const longest: ReleaseRecord = {
    ...record,
    app: "a".repeat(64),
    channel: "c".repeat(64),
    target: "linux-x64-musl-baseline",
    version: parseVersion("1.2.3-abcdefghij"),
    from: parseVersion("1.2.3-abcdefghij"),
    expiresS: 0xffff_ffff,
    x: { ...ADDITIONS, rolloutPercent: 99 },
  };
  expect(encodeRecord(longest).length).toBeLessThanOrEqual(RECORD_MAX_BYTES);
});

test("the signature is one that node:crypto verifies under the target key", () => {
  const key = targetPublicKey(owner, record);
  const spki = concat(fromHex("302a300506032b6570032100"), key);
  const publicKey = nodeCrypto.createPublicKey({
    key: Buffer.from(spki),
    format: "der",
    type: "spki",
  });
  const message = mutableSignable(record.publishedS, signed.bytes);
  expect(nodeCrypto.verify(null, message, publicKey, signed.signature)).toBe(true);
});

test("refuses every truncation and every single-bit flip (C1)", () => {
  const { bytes, signature } = signed;
  for (let length = 0; length < bytes.length; length++) {
    expect(() => verifyRecord(owner, bytes.subarray(0, length), signature)).toThrow();
  }
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(() => verifyRecord(owner, flipped, signature)).toThrow();
  }
});

test("refuses trailing bytes and more than the limit (C2, C3)", () => {
  expect(() => decodeRecord(concat(signed.bytes, Uint8Array.of(0)))).toThrow("after the end");
  expect(() => decodeRecord(new Uint8Array(RECORD_MAX_BYTES + 1))).toThrow("at most");
});

describe("refuses a field (C2, C3, C5)", () => {
  test.each<[string, CborValue | undefined]>([
    ["format", 2],
    ["format", undefined],
    ["app", ""],
    ["app", "a b"],
    ["app", "../x"],
    ["app", 5],
    ["app", "a".repeat(65)],
    ["version", "1.2"],
    ["version", "1.2.3\0"],
    ["target", "plan9-x64"],
    ["target", undefined],
    ["channel", null],
    ["length", 0],
    ["length", 0x2000_0001],
    ["length", "1"],
    ["length", record.regionOffset - 1],
    ["offset", record.lengthBytes + 1],
    ["root", new Uint8Array(31)],
    ["root", new Uint8Array(33)],
    ["root", "a".repeat(32)],
    ["published", 0],
    ["published", undefined],
    ["expires", record.publishedS],
    ["expires", 1],
    ["from", "1"],
    ["x", 1],
    ["unknown", 1],
  ])("%s = %p", (name, value) => {
    expect(() => decodeRecord(signed.bytes)).not.toThrow();
    expect(() => decodeRecord(altered(name, value))).toThrow();
  });

  test("but ignores additions in the place made for them", () => {
    expect(decodeRecord(altered("x", new Map([["later", 1]])))).toEqual(record);
  });
});

describe("signatures", () => {
  test("refuses another owner's record and one under the owner key itself", () => {
    const { bytes, signature } = signed;
    const message = mutableSignable(record.publishedS, bytes);
    expect(() => verifyRecord(publicKeyOf(generateSeed()), bytes, signature)).toThrow("owner key");
    expect(() => verifyRecord(owner, bytes, sign(seed, message))).toThrow("owner key");
    expect(() => verifyRecord(owner, bytes, asSignature(new Uint8Array(64)))).toThrow("owner key");
  });

  test.each(["app", "target", "channel"] as const)(
    "a record signed for another %s does not verify as ours",
    (name) => {
      const other = {
        ...record,
        [name]: name === "target" ? "linux-x64" : "other",
      } as ReleaseRecord;
      const foreign = signRecord(seed, other);
      // The bytes of one record under the signature of the other, both by the same owner.
      expect(() => verifyRecord(owner, signed.bytes, foreign.signature)).toThrow("owner key");
      expect(verifyRecord(owner, foreign.bytes, foreign.signature).record[name]).toBe(other[name]);
    },
  );

  test("the date in the record is the seq that was signed (C12)", () => {
    const late = mutableSignable(record.publishedS + 1, signed.bytes);
    expect(late).not.toEqual(mutableSignable(record.publishedS, signed.bytes));
  });
});

test.each(["", ".x", "-x", "a b", "a\n", "ä", "a".repeat(65), "a\\b"])(
  "refuses the name %j",
  (name) => {
    expect(() => checkName(name, "app name")).toThrow("app name");
  },
);
