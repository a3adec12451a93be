/**
 * CBOR (RFC 8949) in the one strict form that leaves nothing to interpretation: unsigned integers up to
 * 2^32 − 1, byte strings, UTF-8 text, arrays, maps with text keys in ascending order, false, true, null.
 * Shortest lengths only; no tags, floats, negative or indefinite items, nothing after the end. `cbor-x`
 * decodes; this scan runs before it, so that its extensions (records, tags, typed arrays, shared
 * references) are never reached by foreign bytes and a declared length never allocates.
 */
// Not "cbor-x": that entry loads the native cbor-extract if it is there, whose strings come out damaged
// in Bun ("Unexpected end of buffer" for a map with two byte strings).
import { Decoder } from "cbor-x/decode";
import { Encoder } from "cbor-x/encode";
import { CoreError } from "./core-error.ts";
import { CBOR_MAX_DEPTH, CBOR_MAX_ITEMS } from "./limits.ts";
import { Reader } from "./reader.ts";

export type CborValue =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<string, CborValue>;

const encoder = new Encoder({ useRecords: false, mapsAsObjects: false, tagUint8Array: false });
const decoder = new Decoder({ useRecords: false, mapsAsObjects: false });
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function refuse(reason: string, offset: number): never {
  throw new CoreError("CBOR_INVALID", `the data is not in the expected form: ${reason}`, {
    blame: "peer",
    offset,
  });
}

/**
 * Lengths and integers, shortest encoding only (RFC 8949, section 4.2.1); `info` is the lower half of the initial byte.
 * @throws {CoreError} CBOR_INVALID, TRUNCATED
 */
export function readArgument(reader: Reader, info: number): number {
  if (info < 24) return info;
  const at = reader.offset;
  const value =
    info === 24 ? reader.u8() : info === 25 ? reader.u16be() : info === 26 ? reader.u32be() : -1;
  if (value < 0) refuse("a 64-bit, reserved or indefinite length", at);
  const least = info === 24 ? 24 : info === 25 ? 0x100 : 0x1_0000;
  if (value < least) refuse("a number that is not in its shortest form", at);
  return value;
}

function readText(reader: Reader, sizeBytes: number): Uint8Array {
  const at = reader.offset;
  const bytes = reader.bytes(sizeBytes);
  try {
    strictUtf8.decode(bytes);
  } catch {
    refuse("text that is not UTF-8", at);
  }
  return bytes;
}

interface Budget {
  items: number;
}

function scanItem(reader: Reader, depth: number, budget: Budget): void {
  const at = reader.offset;
  if (depth > CBOR_MAX_DEPTH) refuse("nested too deeply", at);
  if (--budget.items < 0) refuse("too many items", at);
  const initial = reader.u8();
  const info = initial & 31;
  switch (initial >> 5) {
    case 0:
      readArgument(reader, info);
      return;
    case 2:
      reader.skip(readArgument(reader, info));
      return;
    case 3:
      readText(reader, readArgument(reader, info));
      return;
    case 4: {
      const count = readArgument(reader, info);
      for (let index = 0; index < count; index++) scanItem(reader, depth + 1, budget);
      return;
    }
    case 5:
      scanMap(reader, readArgument(reader, info), depth, budget);
      return;
    case 7:
      if (info === 20 || info === 21 || info === 22) return;
      return refuse("a float or an unknown simple value", at);
    default:
      return refuse("a negative number or a tag", at);
  }
}

/** Ascending keys (bytewise, RFC 8949 section 4.2.1) also mean: no key twice. */
function scanMap(reader: Reader, count: number, depth: number, budget: Budget): void {
  let previous: Uint8Array | undefined;
  for (let index = 0; index < count; index++) {
    const at = reader.offset;
    const initial = reader.u8();
    if (initial >> 5 !== 3) refuse("a map key that is not text", at);
    const key = readText(reader, readArgument(reader, initial & 31));
    if (previous !== undefined && compareKeys(previous, key) >= 0) {
      refuse("map keys out of order or repeated", at);
    }
    previous = key;
    scanItem(reader, depth + 1, budget);
  }
}

/** Order of the encoded keys: shorter first, then bytewise. */
function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return a.length - b.length || Buffer.compare(a, b);
}

/**
 * Decodes exactly one item that fills `bytes`. Byte strings in the result own their memory. Maps are
 * `Map`s, so that no key can reach an object's prototype.
 * @throws {CoreError} CBOR_INVALID, TRUNCATED, TRAILING_BYTES
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  const reader = new Reader(bytes);
  scanItem(reader, 0, { items: CBOR_MAX_ITEMS });
  reader.end();
  // `Uint8Array.from` walks a Buffer item by item: 20 MB/s instead of thousands.
  return toPlain(decoder.decode(new Uint8Array(bytes)));
}

/** cbor-x returns Buffers; the rest of the project speaks Uint8Array. */
function toPlain(value: unknown): CborValue {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(toPlain);
  if (value instanceof Map) {
    const out = new Map<string, CborValue>();
    for (const [key, item] of value) out.set(String(key), toPlain(item));
    return out;
  }
  return refuse("an unexpected item", 0);
}

/** The strict form of `value`: map keys are sorted. Numbers must be integers from 0 to 2^32 − 1. */
export function encodeCbor(value: CborValue): Uint8Array {
  return new Uint8Array(encoder.encode(sorted(value)));
}

function sorted(value: CborValue): CborValue {
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<string, CborValue>)];
    entries.sort(([a], [b]) => compareKeys(Buffer.from(a), Buffer.from(b)));
    return new Map(entries.map(([key, item]) => [key, sorted(item)]));
  }
  return Array.isArray(value) ? value.map(sorted) : value;
}
