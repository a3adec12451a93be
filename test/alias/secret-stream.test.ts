import { afterAll, beforeAll, expect, test } from "bun:test";
import { ready } from "../../embed/alias/sodium.ts";
import { createLoopbackDht, type LoopbackDht } from "../helpers/dht.ts";

// Messages of any size, their order and their bytes, when the memory they are encrypted in is used again. What arrives is
// kept as it was handed out and looked at in the end: it is its reader's, whatever is sent and received afterwards.

let dht: LoopbackDht;
beforeAll(async () => {
  dht = await createLoopbackDht(3);
});
afterAll(() => dht.destroy());

const SEED = 11;

interface Sender {
  write(data: Uint8Array): boolean;
  alloc(bytes: number): Buffer;
  end(): void;
}

/** Sends with `send` over `count` new connections and returns what came out of each, once all are at their end. */
async function transfer(send: (stream: Sender) => void, count: number): Promise<Buffer[][]> {
  const [a, b] = [await dht.createNode(), await dht.createNode()];
  const received = Array.from({ length: count }, () => Promise.withResolvers<Buffer[]>());
  let next = 0;
  const server = b.createServer((stream) => {
    const chunks: Buffer[] = [];
    const end = received[next++];
    stream.on("data", (data: Buffer) => chunks.push(data));
    stream.on("error", (error: Error) => end?.reject(error));
    stream.on("end", () => {
      end?.resolve(chunks);
      stream.end();
    });
  });
  await server.listen();
  for (let i = 0; i < count; i++) {
    const stream = a.connect(server.publicKey ?? Buffer.alloc(32));
    stream.resume();
    send(stream);
  }
  return Promise.all(received.map(({ promise }) => promise));
}

function message(bytes: number, index: number): Buffer {
  return Buffer.alloc(bytes, `${index} `);
}

test("connections that write at once, sizes around those of the slabs: every byte in its place", async () => {
  const sizes = [0, 1, 16_363, 16_364, 16_365, 65_536, 69_611, 69_612, 69_613, 200_000];
  const sent: Buffer[] = [];
  let state = SEED;
  for (let i = 0; i < 60; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    sent.push(message(sizes[state % sizes.length] ?? 0, i));
  }
  const received = await transfer((stream) => {
    for (const data of sent) stream.write(data);
    stream.end();
  }, 4);
  const expected = Buffer.concat(sent);
  for (const chunks of received) expect(Buffer.concat(chunks).equals(expected)).toBe(true);
}, 60_000);

test("what another connection still had to send when it was destroyed is in nobody's way", async () => {
  const sent = Array.from({ length: 60 }, (_, i) => message(65_536, i));
  const bystander = transfer((stream) => {
    for (const data of sent) stream.write(data);
    stream.end();
  }, 2);
  const [a, b] = [await dht.createNode(), await dht.createNode()];
  const server = b.createServer((stream) => void stream.on("error", () => undefined).resume());
  await server.listen();
  for (let i = 0; i < 4; i++) {
    const stream = a.connect(server.publicKey ?? Buffer.alloc(32));
    stream.on("error", () => undefined);
    await stream.opened;
    for (let n = 0; n < 20; n++) stream.write(message(65_536, 1000 + n));
    await new Promise<void>((resolve) => stream.once("close", resolve).destroy());
  }
  const expected = Buffer.concat(sent);
  for (const chunks of await bystander) {
    expect(Buffer.concat(chunks).equals(expected)).toBe(true);
  }
}, 60_000);

test("memory from `alloc` stays its owner's until it is written, whatever is written in between", async () => {
  const [received = []] = await transfer((stream) => {
    const own = stream.alloc(40_000);
    stream.write(message(65_536, 1));
    stream.write(message(30_000, 2));
    own.fill("own");
    stream.write(own);
    stream.write(message(65_536, 3));
    stream.end();
  }, 1);
  const expected = Buffer.concat([
    message(65_536, 1),
    message(30_000, 2),
    Buffer.alloc(40_000, "own"),
    message(65_536, 3),
  ]);
  expect(Buffer.concat(received).equals(expected)).toBe(true);
}, 60_000);

test("who listens to the stream below as well gets memory that is not used again", async () => {
  const [a, b] = [await dht.createNode(), await dht.createNode()];
  const kept: { readonly chunk: Buffer; readonly copy: Buffer }[] = [];
  const done = Promise.withResolvers<void>();
  const server = b.createServer((stream) => {
    const raw = stream.rawStream as unknown as NodeJS.EventEmitter;
    raw.on("data", (chunk: Buffer) => kept.push({ chunk, copy: Buffer.from(chunk) }));
    stream.resume();
    stream.on("error", done.reject);
    stream.on("end", () => {
      done.resolve();
      stream.end();
    });
  });
  await server.listen();
  const stream = a.connect(server.publicKey ?? Buffer.alloc(32));
  stream.resume();
  for (let i = 0; i < 100; i++) stream.write(message(65_536, i));
  stream.end();
  await done.promise;
  expect(kept.length).toBeGreaterThan(50);
  for (const { chunk, copy } of kept) expect(chunk.equals(copy)).toBe(true);
}, 60_000);

interface Reader extends NodeJS.EventEmitter {
  pause(): void;
  resume(): void;
  end(): void;
}

test("a reader that stops reading stops its peer, also of messages that are opened elsewhere", async () => {
  const [OFFERED, READ_FIRST] = [400, 50];
  // The write buffers, the receive window, what is being opened and what lies ready: far less than 26 MB.
  const TAKEN_MAX = 200;
  const [a, b] = [await dht.createNode(), await dht.createNode()];
  const accepted = Promise.withResolvers<Reader>();
  const server = b.createServer((stream) => accepted.resolve(stream));
  await server.listen();
  const stream = a.connect(server.publicKey ?? Buffer.alloc(32));
  stream.resume();
  let taken = 0;
  const offering = (async () => {
    for (let n = 0; n < OFFERED; n++) {
      if (!stream.write(message(65_536, n))) {
        await new Promise<void>((resolve) => stream.once("drain", () => resolve()));
      }
      taken++;
    }
    stream.end();
  })();
  const reader = await accepted.promise;
  let received = 0;
  reader.on("data", (chunk: Buffer) => {
    received += chunk.byteLength;
    if (received === READ_FIRST * 65_536) reader.pause();
  });
  for (let before = -1; taken !== before; await Bun.sleep(300)) before = taken;
  expect(received).toBe(READ_FIRST * 65_536);
  expect(taken).toBeLessThan(TAKEN_MAX);

  const ended = new Promise<void>((resolve) => reader.on("end", () => resolve()));
  reader.resume();
  await ended;
  reader.end();
  await offering;
  expect(received).toBe(OFFERED * 65_536);
}, 60_000);

interface Bridged extends Reader {
  readonly rawStream: NodeJS.EventEmitter & { write(data: Uint8Array): void; destroy(): void };
  readonly _rawStream: NodeJS.EventEmitter;
  readonly opened: Promise<boolean>;
  write(data: Uint8Array): boolean;
}

/** Two ends, and what the first one's raw stream says, handed to the second's by `forward`. */
async function bridged(
  forward: (chunk: Buffer, to: Bridged["rawStream"]) => void,
): Promise<readonly [Bridged, Bridged]> {
  await ready;
  const name: string = "@hyperswarm/secret-stream";
  const { default: SecretStream } = (await import(name)) as {
    default: new (isInitiator: boolean) => Bridged;
  };
  const [a, b] = [new SecretStream(true), new SecretStream(false)];
  a.rawStream.on("data", (chunk: Buffer) => forward(chunk, b.rawStream));
  b.rawStream.on("data", (chunk: Buffer) => a.rawStream.write(chunk));
  await Promise.all([a.opened, b.opened]);
  return [a, b];
}

test("of two hundred large messages one has a flipped bit: it and what follows are never read", async () => {
  const [COUNT, FORGED] = [200, 150];
  let large = 0;
  const [a, b] = await bridged((chunk, to) => {
    const copy = Buffer.from(chunk);
    if (copy.byteLength > 65_536 && ++large === FORGED) copy[1000] = (copy[1000] ?? 0) ^ 1;
    to.write(copy);
  });
  const received: number[] = [];
  const failed = Promise.withResolvers<unknown>();
  a.on("error", () => undefined);
  b.on("error", failed.resolve);
  b.on("data", (data: Buffer) => received.push(data.readUInt32LE(0)));
  for (let n = 1; n <= COUNT; n++) {
    const data = Buffer.alloc(65_536);
    data.writeUInt32LE(n, 0);
    a.write(data);
    await Bun.sleep(0);
  }
  expect(await failed.promise).toMatchObject({ code: "FAILED" });
  expect(received).toEqual(Array.from({ length: received.length }, (_, i) => i + 1));
  expect(received.length).toBeGreaterThan(FORGED / 2);
  expect(received.length).toBeLessThan(FORGED);
}, 60_000);

test("what came before the connection closed is read", async () => {
  const COUNT = 50;
  let large = 0;
  const [a, b] = await bridged((chunk, to) => {
    to.write(Buffer.from(chunk));
  });
  // After the stream itself.
  b._rawStream.on("data", (chunk: Buffer) => {
    if (chunk.byteLength > 65_536 && ++large === COUNT) b.rawStream.destroy();
  });
  const received: number[] = [];
  a.on("error", () => undefined);
  b.on("error", () => undefined);
  b.on("data", (data: Buffer) => received.push(data.byteLength));
  for (let n = 0; n < COUNT; n++) a.write(Buffer.alloc(65_536));
  await new Promise<void>((resolve) => b.once("close", () => resolve()));
  expect(received.length).toBe(COUNT);
}, 60_000);
