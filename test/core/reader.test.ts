import { expect, test } from "bun:test";
import { fromHex } from "../../src/core/bytes.ts";
import { Reader } from "../../src/core/reader.ts";

test("reads every kind of number in both orders, and says where it is", () => {
  const reader = new Reader(
    fromHex("01 0203 0203 04050607 04050607 08090a0b0c0d0e0f 08090a0b0c0d0e0f".replaceAll(" ", "")),
  );
  expect(reader.u8()).toBe(1);
  expect(reader.u16le()).toBe(0x0302);
  expect(reader.u16be()).toBe(0x0203);
  expect(reader.u32le()).toBe(0x07060504);
  expect(reader.u32be()).toBe(0x04050607);
  expect(reader.u64le()).toBe(0x0f0e0d0c0b0a0908n);
  expect(reader.u64be()).toBe(0x08090a0b0c0d0e0fn);
  expect(reader.remaining).toBe(0);
  expect(() => reader.end()).not.toThrow();
});

test("refuses to read past the end, without moving", () => {
  const reads: ((reader: Reader) => unknown)[] = [
    (reader) => reader.u16le(),
    (reader) => reader.u16be(),
    (reader) => reader.u32le(),
    (reader) => reader.u32be(),
    (reader) => reader.u64le(),
    (reader) => reader.u64be(),
    (reader) => reader.bytes(2),
    (reader) => reader.skip(2),
    (reader) => reader.bytes(-1),
    (reader) => reader.bytes(2 ** 53),
  ];
  for (const read of reads) {
    const reader = new Reader(Uint8Array.of(1));
    expect(() => read(reader)).toThrow("middle of a field");
    expect(reader.offset).toBe(0);
    expect(reader.u8()).toBe(1);
  }
});

test("respects the bounds of a view into larger memory", () => {
  const reader = new Reader(Uint8Array.of(1, 2, 3, 4).subarray(1, 3));
  expect(reader.u16be()).toBe(0x0203);
  expect(() => reader.u8()).toThrow("middle of a field");
});

test("refuses what is left over", () => {
  expect(() => new Reader(Uint8Array.of(1)).end()).toThrow("after the end");
});
