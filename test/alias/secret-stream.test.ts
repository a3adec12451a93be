import { afterAll, beforeAll, expect, test } from "bun:test";
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
