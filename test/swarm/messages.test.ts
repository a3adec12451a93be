import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { asContentRoot, asSignature } from "../../src/core/brand.ts";
import { concat, fromHex, toHex } from "../../src/core/bytes.ts";
import {
  ANSWER_MAX_BYTES,
  FRAME_MAX_BYTES,
  HELLO_MAX_BYTES,
  LISTED_MAX_BYTES,
  ROOTS_MAX,
  SKETCH_MAX_BYTES,
  TABLE_PAGE_MAX_BYTES,
} from "../../src/core/limits.ts";
import { SwarmError } from "../../src/swarm/error.ts";
import { decodeClientMessage, decodeProviderMessage } from "../../src/swarm/decode-messages.ts";
import { encodeClientMessage, encodeProviderMessage } from "../../src/swarm/encode-messages.ts";
import type { ClientMessage, ProviderMessage } from "../../src/swarm/messages.ts";

const fill = (sizeBytes: number, value: number): Uint8Array =>
  new Uint8Array(sizeBytes).fill(value);
const hex = (sizeBytes: number, value: number): string => toHex(fill(sizeBytes, value));
const root = asContentRoot(fill(32, 0xaa));
const base = asContentRoot(fill(32, 0xbb));
const record = { bytes: fill(300, 0x11), signature: asSignature(fill(64, 0x22)) };

/** Messages and their frames, by hand from the header of messages.ts and RFC 8949. */
const CLIENT: [ClientMessage, string][] = [
  [
    { type: "hello", auth: fill(64, 1), binding: fill(32, 2) },
    // array 4 · type 0 · text 13 "rustpatcher/1" · bytes 64 · bytes 32
    `84 00 6d 727573747061746368 65722f31 5840${hex(64, 1)} 5820${hex(32, 2)}`,
  ],
  // array 3 · type 3 · bytes 300 · bytes 64
  [{ type: "record", record }, `83 03 59012c${hex(300, 0x11)} 5840${hex(64, 0x22)}`],
  // array 3 · type 4 · id 23 (one byte) · bytes 32
  [{ type: "region", id: 23, root }, `83 04 17 5820${hex(32, 0xaa)}`],
  // array 6 · type 5 · id 24 (18 18) · root · first 1024 · no base · bytes 8
  [
    { type: "table", id: 24, root, first: 1024, base: undefined, listed: fill(8, 7) },
    `86 05 1818 5820${hex(32, 0xaa)} 190400 f6 48${hex(8, 7)}`,
  ],
  // array 6 · type 5 · id 0 · root · first 0 · bytes 32 · no bytes
  [
    { type: "table", id: 0, root, first: 0, base, listed: fill(0, 0) },
    `86 05 00 5820${hex(32, 0xaa)} 00 5820${hex(32, 0xbb)} 40`,
  ],
  // array 7 · type 6 · id 2^32 - 1 · root · first 65536 · count 3 · base · sketch
  [
    { type: "piece", id: 0xffff_ffff, root, first: 65_536, count: 3, base, sketch: fill(0, 0) },
    `87 06 1affffffff 5820${hex(32, 0xaa)} 1a00010000 03 5820${hex(32, 0xbb)} 40`,
  ],
  [
    { type: "piece", id: 1, root, first: 2, count: 1, base: undefined, sketch: fill(10, 9) },
    `87 06 01 5820${hex(32, 0xaa)} 02 01 f6 4a${hex(10, 9)}`,
  ],
  [{ type: "cancel", id: 256 }, "82 07 190100"],
  [{ type: "status", id: 1 }, "82 0d 01"],
  [{ type: "follow", root }, `82 0b 5820${hex(32, 0xaa)}`],
  [{ type: "peers", id: 1, keys: fill(64, 6) }, `83 0c 01 5840${hex(64, 6)}`],
  [{ type: "done", root }, `82 08 5820${hex(32, 0xaa)}`],
];

const PROVIDER: [ProviderMessage, string][] = [
  [{ type: "denied", minute: 29_000_000 }, "82 01 1a01ba8140"],
  // array 5 · type 2 · bytes 32 · null · null · no bytes
  [
    { type: "welcome", binding: fill(32, 3), record: undefined, roots: [] },
    `85 02 5820${hex(32, 3)} f6 f6 40`,
  ],
  // … · bytes 300 · bytes 64 · bytes 64: two roots
  [
    { type: "welcome", binding: fill(32, 3), record, roots: [root, base] },
    `85 02 5820${hex(32, 3)} 59012c${hex(300, 0x11)} 5840${hex(64, 0x22)} 5840${hex(32, 0xaa)}${hex(32, 0xbb)}`,
  ],
  [
    { type: "have", root, first: 8, bits: fill(2, 5) },
    `84 0a 5820${hex(32, 0xaa)} 08 42${hex(2, 5)}`,
  ],
  [{ type: "peers", id: 1, bytes: fill(32, 6) }, `83 0c 01 5820${hex(32, 6)}`],
  [{ type: "region", id: 1, bytes: fill(4096, 4) }, `83 04 01 591000${hex(4096, 4)}`],
  [{ type: "table", id: 2, bytes: fill(64, 5) }, `83 05 02 5840${hex(64, 5)}`],
  [{ type: "table", id: 2, bytes: fill(0, 0) }, "83 05 02 40"],
  [
    { type: "piece", id: 3, bytes: fill(ANSWER_MAX_BYTES + 1, 6) },
    `83 06 03 5a00020001${hex(ANSWER_MAX_BYTES + 1, 6)}`,
  ],
  [{ type: "status", id: 5, bytes: fill(9, 7) }, `83 0d 05 49${hex(9, 7)}`],
  [{ type: "error", id: 4, reason: "out-of-range" }, "83 09 04 02"],
  [{ type: "error", id: 4, reason: "busy" }, "83 09 04 05"],
];

const bytesOf = (text: string): Uint8Array => fromHex(text.replaceAll(" ", ""));

describe("frames", () => {
  for (const [message, text] of CLIENT) {
    test(`client ${message.type}: bytes by hand, both ways`, () => {
      expect(toHex(encodeClientMessage(message))).toBe(text.replaceAll(" ", ""));
      expect(decodeClientMessage(bytesOf(text))).toEqual(message);
    });
  }
  for (const [message, text] of PROVIDER) {
    test(`provider ${message.type}: bytes by hand, both ways`, () => {
      expect(toHex(encodeProviderMessage(message)) === text.replaceAll(" ", "")).toBe(true);
      expect(decodeProviderMessage(bytesOf(text))).toEqual(message);
    });
  }

  test("the largest frames fit their limits", () => {
    const signature = asSignature(fill(64, 1));
    const largest = [
      encodeProviderMessage({
        type: "piece",
        id: 0xffff_ffff,
        bytes: fill(ANSWER_MAX_BYTES + 1, 1),
      }),
      encodeProviderMessage({
        type: "table",
        id: 0xffff_ffff,
        bytes: fill(TABLE_PAGE_MAX_BYTES, 1),
      }),
      encodeProviderMessage({
        type: "welcome",
        binding: fill(32, 1),
        record: { bytes: fill(600, 1), signature },
        roots: Array.from({ length: ROOTS_MAX }, () => root),
      }),
      encodeClientMessage({
        type: "table",
        id: 0xffff_ffff,
        root,
        first: 0xffff_ffff,
        base,
        listed: fill(LISTED_MAX_BYTES, 1),
      }),
      encodeClientMessage({
        type: "piece",
        id: 0xffff_ffff,
        root,
        first: 0xffff_ffff,
        count: 0xffff_ffff,
        base,
        sketch: fill(SKETCH_MAX_BYTES, 1),
      }),
    ];
    for (const frame of largest) expect(frame.length).toBeLessThanOrEqual(FRAME_MAX_BYTES);
    const hello = encodeClientMessage({ type: "hello", auth: fill(64, 1), binding: fill(32, 1) });
    expect(hello.length).toBeLessThanOrEqual(HELLO_MAX_BYTES);
  });
});

/** Every refusal is a SwarmError PROTOCOL, whatever broke underneath. */
function expectRefused(frame: Uint8Array): void {
  for (const decode of [decodeClientMessage, decodeProviderMessage]) {
    let thrown: unknown;
    try {
      decode(frame);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(SwarmError);
    expect((thrown as SwarmError).code).toBe("PROTOCOL");
    expect((thrown as SwarmError).blame).toBe("peer");
  }
}

describe("hostile frames", () => {
  test("C1: every truncation and every added byte is refused", () => {
    for (const [, text] of [...CLIENT, ...PROVIDER]) {
      const frame = bytesOf(text);
      const step = Math.max(1, Math.floor(frame.length / 500));
      for (let size = 0; size < frame.length; size += step) expectRefused(frame.subarray(0, size));
      expectRefused(frame.subarray(0, frame.length - 1));
      expectRefused(concat(frame, Uint8Array.of(0)));
    }
  });

  /** Accepted or refused, in one way only; what is accepted is one message, and the only form it has. */
  function expectCanonical<Message>(
    frame: Uint8Array,
    decode: (frame: Uint8Array) => Message,
    encode: (message: Message) => Uint8Array,
  ): Message | undefined {
    try {
      const message = decode(frame);
      expect(encode(message).toHex()).toBe(frame.toHex());
      return message;
    } catch (error) {
      expect(error).toBeInstanceOf(SwarmError);
      return undefined;
    }
  }
  const asClient = (frame: Uint8Array): ClientMessage | undefined =>
    expectCanonical(frame, decodeClientMessage, encodeClientMessage);
  const asProvider = (frame: Uint8Array): ProviderMessage | undefined =>
    expectCanonical(frame, decodeProviderMessage, encodeProviderMessage);

  test("C1: a flipped bit is refused or is another message of the same shape, never a crash", () => {
    for (const [messages, as] of [
      [CLIENT, asClient],
      [PROVIDER, asProvider],
    ] as const) {
      for (const [message, text] of messages) {
        const frame = bytesOf(text);
        // Of a large one the head, and some of what is only carried.
        const step = (bit: number): number => (bit < 4_096 ? 1 : Math.ceil(frame.length / 50));
        for (let bit = 0; bit < frame.length * 8; bit += step(bit)) {
          const flipped = Uint8Array.from(frame);
          flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          expect(as(flipped)).not.toEqual(message);
        }
      }
    }
  });

  test("C1: random bytes are refused in one way only", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        asClient(bytes);
        asProvider(bytes);
      }),
    );
  });

  test("C2: an item more, an item less, an unknown type, another protocol", () => {
    expectRefused(bytesOf("83 07 00 00"));
    expectRefused(bytesOf("81 07"));
    expectRefused(bytesOf("80"));
    expectRefused(bytesOf("82 0a 00"));
    expectRefused(bytesOf("82 18ff 00"));
    expectRefused(
      bytesOf(`84 00 6d 727573747061746368 65722f32 5840${hex(64, 1)} 5820${hex(32, 2)}`),
    );
    expectRefused(bytesOf("a0"));
  });

  test("C3: lengths of 2^31, 2^32-1, 2^53 and 2^64-1 are refused without being believed", () => {
    const before = process.memoryUsage().rss;
    for (const length of ["5a80000000", "5affffffff", "5b0020000000000000", "5bffffffffffffffff"]) {
      expectRefused(bytesOf(`83 06 00 ${length}`));
      expectRefused(bytesOf(`82 08 ${length}`));
      expectRefused(bytesOf(length));
    }
    for (const count of ["9a80000000", "9affffffff", "9b0020000000000000", "9bffffffffffffffff"]) {
      expectRefused(bytesOf(`${count} 07 00`));
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(32 * 1024 * 1024);
  });

  test("C4: CBOR bombs: depth, indefinite lengths, tags, floats, long forms, prototype keys", () => {
    expectRefused(fill(10_000, 0x81));
    expectRefused(concat(fill(10_000, 0x9f), fill(10_000, 0xff)));
    expectRefused(bytesOf("ba ffffffff"));
    expectRefused(bytesOf("bf ff"));
    expectRefused(bytesOf("82 07 c2 4101"));
    expectRefused(bytesOf("82 07 f97e00"));
    expectRefused(bytesOf("82 07 1800"));
    expectRefused(bytesOf("82 07 190001"));
    expectRefused(bytesOf("82 1807 00"));
    // {"__proto__": {"polluted": 1}}, and the same as "constructor".
    expectRefused(bytesOf("a1 69 5f5f70726f746f5f5f a1 68 706f6c6c75746564 01"));
    expectRefused(bytesOf("a1 6b 636f6e7374727563746f72 a1 68 706f6c6c75746564 01"));
    expect(Reflect.get({}, "polluted")).toBeUndefined();
  });

  test("C5: text for a number, null, a negative number, a float, bytes of a wrong length", () => {
    for (const item of ["6130", "f6", "20", "fb3ff0000000000000", "f5", "4100", "80"]) {
      expectRefused(bytesOf(`82 07 ${item}`));
    }
    for (const size of [0, 31, 33]) {
      const length = size < 24 ? `4${size.toString(16)}` : `58${size.toString(16)}`;
      expectRefused(bytesOf(`82 08 ${length}${hex(size, 1)}`));
    }
    // Control: the same frame with 32 bytes is a message.
    expect(decodeClientMessage(bytesOf(`82 08 5820${hex(32, 1)}`)).type).toBe("done");
  });

  test("C9: half a root, one root too many, no chunk, a sketch above the cap", () => {
    const welcome = (sizeBytes: number): string =>
      `85 02 5820${hex(32, 3)} f6 f6 59${sizeBytes.toString(16).padStart(4, "0")}${hex(sizeBytes, 1)}`;
    expectRefused(bytesOf(welcome(ROOTS_MAX * 32 - 1)));
    expectRefused(bytesOf(welcome((ROOTS_MAX + 1) * 32)));
    expectRefused(bytesOf(`87 06 00 5820${hex(32, 1)} 00 00 f6 40`));
    const large = SKETCH_MAX_BYTES + 5;
    expectRefused(
      bytesOf(`87 06 00 5820${hex(32, 1)} 00 01 f6 59${large.toString(16)}${hex(large, 1)}`),
    );
    // Controls: the same with what is allowed.
    expect(decodeProviderMessage(bytesOf(welcome(ROOTS_MAX * 32))).type).toBe("welcome");
    expect(decodeClientMessage(bytesOf(`87 06 00 5820${hex(32, 1)} 00 01 f6 40`)).type).toBe(
      "piece",
    );
  });

  test("C8: an auth of 63 bytes is refused", () => {
    expectRefused(
      bytesOf(`84 00 6d 727573747061746368 65722f31 583f${hex(63, 1)} 5820${hex(32, 2)}`),
    );
  });

  test("a role does not understand the messages of its own role", () => {
    const welcome = encodeProviderMessage({
      type: "welcome",
      binding: fill(32, 3),
      record,
      roots: [],
    });
    expect(() => decodeClientMessage(welcome)).toThrow(SwarmError);
    expect(() => decodeProviderMessage(encodeClientMessage({ type: "done", root }))).toThrow(
      SwarmError,
    );
  });
});
