import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  encodeHeader,
  Header,
  HEADER_SIZE,
  isUdxPacket,
  readStreamId,
  tryDecodeHeader,
  writeStreamId,
} from "../../src/udx/header.ts";

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ""), "hex");
}

function decode(datagram: Buffer): Header | undefined {
  const header = new Header();
  return tryDecodeHeader(datagram, header) ? header : undefined;
}

// Captured from udx-native 1.21.3: receiver 99, window 4 MiB. Fields: type, seq, ack, payload.
const VECTORS: readonly (readonly [string, string, number, number, number, string])[] = [
  ["DATA hello", "ff010100 63000000 00004000 00000000 00000000 68656c6c6f", 1, 0, 0, "hello"],
  ["DATA+END w", "ff010300 63000000 00004000 00000000 01000000 77", 3, 0, 1, "w"],
  ["END", "ff010200 63000000 00004000 00000000 01000000", 2, 0, 1, ""],
  ["ACK 1", "ff010000 63000000 00004000 00000000 01000000", 0, 0, 1, ""],
  ["MESSAGE yo", "ff010800 63000000 00004000 00000000 09000000 796f", 8, 0, 9, "yo"],
  ["HEARTBEAT", "ff012000 63000000 00004000 01000000 00000000", 32, 1, 0, ""],
  ["DESTROY", "ff011000 63000000 00004000 02000000 00000000", 16, 2, 0, ""],
];

for (const [name, bytes, type, seq, ack, payload] of VECTORS) {
  test(`9.3.1: reads and writes the captured ${name}`, () => {
    const datagram = hex(bytes);
    expect(isUdxPacket(datagram)).toBe(true);
    expect(readStreamId(datagram)).toBe(99);
    const header = decode(datagram);
    expect(header).toMatchObject({ type, id: 99, window: 4_194_304, seq, ack });
    expect(datagram.subarray(header?.payloadStart).toString()).toBe(payload);

    const written = Buffer.alloc(datagram.length);
    encodeHeader(written, 0, type, 0, 99, 4_194_304, seq, ack);
    written.write(payload, HEADER_SIZE);
    expect(written.toString("hex")).toBe(datagram.toString("hex"));
  });
}

test("finds both SACK blocks of the captured ACK", () => {
  const datagram = hex(
    "ff010400 63000000 00004000 00000000 01000000 02000000 03000000 06000000 07000000",
  );
  const header = decode(datagram);
  expect(header).toMatchObject({ type: 4, ack: 1, sackStart: 20, sackEnd: 36, payloadStart: 36 });
});

test("skips the padding of a probe", () => {
  const datagram = hex("ff010103 63000000 00004000 03000000 00000000 000000 706179");
  expect(datagram.subarray(decode(datagram)?.payloadStart).toString()).toBe("pay");
});

test("separates SACK blocks from data when the data offset says where they end", () => {
  const datagram = hex("ff010508 63000000 00004000 03000000 00000000 0500000006000000 706179");
  expect(decode(datagram)).toMatchObject({ sackStart: 20, sackEnd: 28, payloadStart: 28 });
});

test("9.3.4: ignores a SACK fragment shorter than a block", () => {
  const datagram = hex("ff010400 63000000 00004000 00000000 01000000 0200000003000000 060000");
  expect(decode(datagram)).toMatchObject({ sackStart: 20, sackEnd: 28 });
});

test("refuses a data offset beyond the end", () => {
  expect(decode(hex("ff010104 63000000 00004000 00000000 00000000 000000"))).toBeUndefined();
  expect(decode(hex("ff010103 63000000 00004000 00000000 00000000 000000"))).toBeDefined();
});

test("no prefix of a packet shorter than the header counts as one", () => {
  const datagram = hex("ff010100 63000000 00004000 00000000 00000000 68656c6c6f");
  for (let length = 0; length < datagram.length; length++) {
    expect(isUdxPacket(datagram.subarray(0, length))).toBe(length >= HEADER_SIZE);
  }
});

test("every flipped byte changes exactly its field, or makes it no packet", () => {
  const original = hex("ff010100 63000000 00004000 00000000 00000000 68656c6c6f");
  const fields = ["type", "id", "window", "seq", "ack"] as const;
  const before = decode(original);
  for (let at = 0; at < HEADER_SIZE; at++) {
    const flipped = Buffer.from(original);
    flipped[at] = (flipped[at] ?? 0) ^ 0xff;
    if (at < 2) {
      expect(isUdxPacket(flipped)).toBe(false);
      continue;
    }
    const after = decode(flipped);
    if (at === 3) {
      expect(after).toBeUndefined();
      continue;
    }
    const changed = fields.filter((field) => after?.[field] !== before?.[field]);
    expect(changed).toEqual([fields[at === 2 ? 0 : at >> 2] ?? "type"]);
  }
});

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

test("decode after encode gives the fields back", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 63 }).filter((type) => (type & 4) === 0),
      fc.integer({ min: 0, max: 255 }),
      u32,
      u32,
      u32,
      u32,
      fc.integer({ min: 0, max: 64 }),
      (type, offset, id, window, seq, ack, at) => {
        const target = Buffer.alloc(at + HEADER_SIZE + offset);
        encodeHeader(target, at, type, offset, id, window, seq, ack);
        const header = decode(target.subarray(at));
        expect(header).toMatchObject({ type, id, window, seq: seq | 0, ack: ack | 0 });
        expect(header?.payloadStart).toBe(HEADER_SIZE + offset);
      },
    ),
  );
});

test("a relay's rewrite touches the id alone", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 60 }), u32, (bytes, id) => {
      const datagram = Buffer.from(bytes);
      writeStreamId(datagram, id);
      expect(readStreamId(datagram)).toBe(id);
      expect(datagram.subarray(0, 4).equals(bytes.subarray(0, 4))).toBe(true);
      expect(datagram.subarray(8).equals(bytes.subarray(8))).toBe(true);
    }),
  );
});

test("decoding never reads outside the datagram", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 100 }), (bytes) => {
      const header = decode(Buffer.from(bytes));
      if (header === undefined) return;
      expect(header.payloadStart).toBeLessThanOrEqual(bytes.length);
      expect(header.sackEnd).toBeLessThanOrEqual(bytes.length);
      expect((header.sackEnd - header.sackStart) % 8).toBe(0);
      expect(header.sackEnd).toBeLessThanOrEqual(Math.max(header.payloadStart, HEADER_SIZE));
    }),
  );
});
