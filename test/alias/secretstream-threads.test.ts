import { beforeAll, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  THREADED_MIN_BYTES,
  ThreadedCipher,
} from "../../embed/alias/sodium/secretstream-threads.ts";
import * as sodium from "../../embed/alias/sodium.ts";

// Messages encrypted and decrypted on other threads are those of libsodium's secret stream, one after the other and mixed
// with such as were done here: same bytes, same state afterwards.

const { crypto_secretstream_xchacha20poly1305_ABYTES: OVERHEAD } = sodium;
const { crypto_secretstream_xchacha20poly1305_TAG_REKEY: REKEY } = sodium;
const KEYS_MS = 5_000;

beforeAll(() => sodium.ready);

interface Ends {
  readonly push: Buffer;
  readonly pull: Buffer;
}

/** Both states of a new stream. */
function open(): Ends {
  const key = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_KEYBYTES, 7);
  const header = Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES);
  const [push, pull] = [0, 0].map(() =>
    Buffer.alloc(sodium.crypto_secretstream_xchacha20poly1305_STATEBYTES),
  ) as [Buffer, Buffer];
  sodium.crypto_secretstream_xchacha20poly1305_init_push(push, header, key);
  sodium.crypto_secretstream_xchacha20poly1305_init_pull(pull, header, key);
  return { push, pull };
}

function pushed(state: Buffer, message: Uint8Array, tag = 0): Buffer {
  const frame = Buffer.alloc(message.byteLength + OVERHEAD);
  sodium.crypto_secretstream_xchacha20poly1305_push(state, frame, message, null, tag);
  return frame;
}

function pulled(state: Buffer, frame: Uint8Array): Buffer {
  const message = Buffer.alloc(frame.byteLength - OVERHEAD);
  sodium.crypto_secretstream_xchacha20poly1305_pull(state, message, Buffer.alloc(1), frame, null);
  return message;
}

/** Importing a key is asynchronous. */
async function taken(cipher: ThreadedCipher, sizeBytes: number): Promise<void> {
  const endMs = performance.now() + KEYS_MS;
  while (!cipher.takes(sizeBytes)) {
    if (performance.now() > endMs) throw new Error("no key");
    await Bun.sleep(1);
  }
}

async function ready(state: Buffer): Promise<ThreadedCipher> {
  const cipher = new ThreadedCipher(state);
  await taken(cipher, THREADED_MIN_BYTES);
  return cipher;
}

async function opened(cipher: ThreadedCipher, frame: Uint8Array): Promise<Buffer> {
  const message = Promise.withResolvers<Buffer>();
  await cipher.open(frame, message.resolve);
  return message.promise;
}

const sizes = fc
  .integer({ min: THREADED_MIN_BYTES / 8, max: 40_000 })
  .map((eighths) => eighths * 8);

test("what is sealed elsewhere opens here, what is sealed here opens elsewhere, and the states stay equal", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ size: sizes, isElsewhere: fc.boolean() }), { maxLength: 6 }),
      async (messages) => {
        const { push, pull } = open();
        const [sealer, opener] = [await ready(push), await ready(pull)];
        for (const [i, { size, isElsewhere }] of messages.entries()) {
          const message = Buffer.alloc(size, `${i} `);
          const frame = Buffer.alloc(size + OVERHEAD);
          const copy = Buffer.from(push);
          if (isElsewhere) await sealer.seal(message, frame);
          else frame.set(pushed(push, message));
          expect(frame.equals(pushed(copy, message))).toBe(true);
          expect(push.equals(copy)).toBe(true);

          const reader = Buffer.from(pull);
          const plain = isElsewhere ? pulled(pull, frame) : await opened(opener, frame);
          expect(plain.equals(message)).toBe(true);
          pulled(reader, frame);
          expect(pull.equals(reader)).toBe(true);
        }
      },
    ),
    { numRuns: 30 },
  );
}, 60_000);

test("several opened at once, and their frames overwritten meanwhile", async () => {
  const { push, pull } = open();
  const opener = await ready(pull);
  const messages = [1, 2, 3, 4, 5].map((n) => Buffer.alloc(65_536, n));
  const frames = messages.map((message) => pushed(push, message));
  const opening = frames.map((frame) => {
    const message = opened(opener, frame);
    frame.fill(0);
    return message;
  });
  const results = await Promise.all(opening);
  for (const [i, message] of messages.entries()) expect(results[i]?.equals(message)).toBe(true);
});

test("one flipped bit anywhere is refused", async () => {
  const size = THREADED_MIN_BYTES;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.constantFrom(0, 1, size, size + OVERHEAD - 1), fc.nat(size + OVERHEAD - 1)),
      fc.nat(7),
      async (at, bit) => {
        const { push, pull } = open();
        const opener = await ready(pull);
        const frame = pushed(push, Buffer.alloc(size, 1));
        frame[at] = (frame[at] ?? 0) ^ (1 << bit);
        const refused = opened(opener, frame).catch((error: unknown) => error);
        expect(await refused).toMatchObject({ code: "FAILED" });
      },
    ),
    { numRuns: 100 },
  );
}, 60_000);

test("a key that the stream replaces is no longer used, and the new one is", async () => {
  const { push, pull } = open();
  const opener = await ready(pull);
  const message = Buffer.alloc(65_536, 3);
  expect((await opened(opener, pushed(push, message, REKEY))).equals(message)).toBe(true);
  expect(opener.takes(message.byteLength)).toBe(false);
  expect(pulled(pull, pushed(push, message)).equals(message)).toBe(true);
  await taken(opener, message.byteLength);
  expect((await opened(opener, pushed(push, message))).equals(message)).toBe(true);
});

test("takes no message that would cost more elsewhere, be padded otherwise, or not fit", async () => {
  const cipher = await ready(open().push);
  expect(cipher.takes(THREADED_MIN_BYTES)).toBe(true);
  for (const size of [0, THREADED_MIN_BYTES - 8, THREADED_MIN_BYTES + 4, 8 * 1024 * 1024]) {
    expect([size, cipher.takes(size)]).toEqual([size, false]);
  }
});
