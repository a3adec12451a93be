/** Datagrams from strangers: nothing they contain may throw, grow memory or make us answer. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { OUTBOX_MAX, PACKETS_GUARANTEED, PACKETS_IN_USE_MAX } from "../../src/udx/constants.ts";
import { TYPE_ACK, TYPE_DATA, TYPE_HEARTBEAT, TYPE_SACK } from "../../src/udx/header.ts";
import { UDX } from "../../src/udx/udx.ts";
import { Network, random } from "./sim/network.ts";
import {
  connect,
  createStream,
  encode,
  pattern,
  sackBlocks,
  ScriptedPeer,
  watch,
  writeAll,
} from "./sim/world.ts";

const DATAGRAMS = 100_000;
/** Heap and buffers that may come and go; a leak of 300 bytes a datagram would already exceed it. */
const GROWTH_MAX = 24 * 1024 * 1024;
const SEED = 77;

type Draw = () => number;
/** Makes one datagram for the stream with id 1 whose first number, in both directions, is `start`. */
type Forge = (draw: Draw, start: number) => Buffer;

function integer(draw: Draw, limit: number): number {
  return Math.floor(draw() * limit);
}

function bytes(draw: Draw, limit: number): Buffer {
  return Buffer.from(Array.from({ length: integer(draw, limit) }, () => integer(draw, 256)));
}

/** A header with the right magic and id and anything else, or plain noise. */
function mutated(draw: Draw, start: number): Buffer {
  const shape = draw();
  if (shape < 0.1) return bytes(draw, 60);
  // Small numbers hit the live sequence space, large ones the wrap and the limits.
  const number = (): number => (draw() < 0.7 ? start + integer(draw, 200) : integer(draw, 2 ** 32));
  const datagram = encode(1, {
    type: integer(draw, 64) & ~(shape < 0.98 ? 16 : 0),
    seq: number(),
    ack: draw() < 0.7 ? start + integer(draw, 12) : number(),
    window: draw() < 0.8 ? 4_000_000 : number(),
    dataOffset: draw() < 0.8 ? 0 : integer(draw, 256),
    body: bytes(draw, 80),
  });
  return draw() < 0.05 ? datagram.subarray(0, integer(draw, datagram.length + 1)) : datagram;
}

function truncated(draw: Draw, start: number): Buffer {
  const datagram = mutated(draw, start);
  return datagram.subarray(0, integer(draw, 28));
}

/** Blocks before, around, beyond and upside down to what is outstanding, with an ACK of its start. */
function sackOutOfRange(draw: Draw, start: number): Buffer {
  const edge = (): number => start + integer(draw, draw() < 0.8 ? 40 : 2 ** 32) - 20;
  const count = 1 + integer(draw, 60);
  const blocks = sackBlocks(...Array.from({ length: count }, () => [edge(), edge()] as const));
  return encode(1, { type: TYPE_SACK, seq: start, ack: start, body: blocks });
}

function ackOfUnsent(draw: Draw, start: number): Buffer {
  const type = integer(draw, 4) | (draw() < 0.3 ? TYPE_SACK : 0);
  const beyond = 1 + integer(draw, draw() < 0.5 ? 100 : 2 ** 31 - 100);
  const seq = start + integer(draw, 64);
  return encode(1, { type, seq, ack: start + 20 + beyond, body: bytes(draw, 80) });
}

/** Ids of no stream here, near the real one and anywhere. */
function spoofedId(draw: Draw, start: number): Buffer {
  const id = draw() < 0.5 ? 2 + integer(draw, 8) : integer(draw, 2 ** 32);
  return encode(1, { type: integer(draw, 64), id, seq: start, ack: start, body: bytes(draw, 80) });
}

const KINDS: readonly (readonly [string, Forge, number])[] = [
  ["mutated packets and garbage", mutated, 0],
  ["truncated headers", truncated, 0],
  ["SACK blocks out of range", sackOutOfRange, 0],
  ["ACKs for unsent data", ackOfUnsent, 0],
  ["mutated packets around the wrap at 2^32", mutated, 2 ** 32 - 6],
  ["SACK blocks around the wrap at 2^32", sackOutOfRange, 2 ** 32 - 6],
  ["spoofed stream ids", spoofedId, 0],
];

for (const [kind, forge, start] of KINDS) {
  test(`${DATAGRAMS} datagrams, ${kind}: no exception, no growth, honest streams unharmed (seed ${SEED})`, async () => {
    const network = new Network();
    const draw = random(SEED);
    const victim = createStream(network, "10.0.0.1", 1, { seq: start });
    const peer = new ScriptedPeer(network, "10.0.0.2", victim);
    const open = (): void => {
      victim.stream.connect(victim.socket, 2, peer.port, peer.host, { ack: start });
      victim.stream.write(Buffer.alloc(20 * 1152));
    };
    open();
    // Streams of the same socket, honest, all the while; b has one of the ids that are guessed.
    const a = watch(victim.udx, victim.socket, victim.udx.createStream(4_000_000_001));
    const b = createStream(network, "10.0.0.3", 3);
    connect(a, b);
    connect(b, a);
    const data = pattern(200_000);

    let baseline = 0;
    for (let i = 0; i < DATAGRAMS; i++) {
      if (victim.isClosed) {
        // DESTROY and time-outs are legitimate ends; go on with a fresh stream under the same id.
        victim.stream = victim.udx.createStream(1, { seq: start });
        victim.isClosed = false;
        victim.stream.on("close", () => (victim.isClosed = true));
        victim.stream.on("error", () => undefined);
        victim.stream.on("data", () => undefined);
        open();
      }
      peer.sendRaw(forge(draw, start));
      if (i % 200 === 0) {
        peer.packets.length = 0;
        victim.chunks.length = 0;
        victim.messages.length = 0;
        await network.advance(25);
      }
      if (i === DATAGRAMS / 10) {
        baseline = memory();
        writeAll(a.stream, data);
        b.stream.end();
      }
    }
    await network.advance(100);
    const growth = memory() - baseline;
    expect(growth).toBeLessThan(GROWTH_MAX);
    expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
  }, 30_000);
}

function memory(): number {
  Bun.gc(true);
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("9.3.1: noise that is no packet for a live stream becomes a message and is not answered", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  const messages: Buffer[] = [];
  ours.socket.on("message", (message) => messages.push(message));
  const noise = [
    ...Array.from({ length: 41 }, (_, length) => Buffer.alloc(length, 0xff)),
    encode(77, { type: TYPE_DATA, body: Buffer.from("unknown id") }),
    encode(1, { type: TYPE_DATA }).subarray(0, 19),
  ];
  for (const datagram of noise) peer.sendRaw(datagram);
  await network.advance(50);
  expect(messages.map((message) => message.toString("hex"))).toEqual(
    noise.map((datagram) => datagram.toString("hex")),
  );
  expect(peer.packets).toHaveLength(0);
});

test("a packet that lists the whole flight in every block costs one pass over it", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  ours.stream.write(Buffer.alloc(10 * 1152));
  await network.advance(15);
  const body = sackBlocks(...Array.from({ length: 253 }, () => [1, 9] as const));
  peer.send({ type: TYPE_SACK, ack: 0, body });
  await network.advance(15);
  // Had any block after the first counted, the flight would have been acknowledged more than once.
  expect(ours.stream.inflight).toBeGreaterThanOrEqual(0);
  peer.send({ type: TYPE_ACK, ack: 10 });
  await network.advance(15);
  expect(await ours.stream.flush()).toBe(true);
});

test("no order of SACKs, ACKs and data makes the sender lose count", async () => {
  const step = fc.record({
    type: fc.constantFrom(TYPE_ACK, TYPE_SACK, TYPE_DATA, TYPE_DATA | 2, 32, 8),
    seq: fc.integer({ min: 0, max: 12 }),
    ack: fc.integer({ min: 0, max: 14 }),
    window: fc.constantFrom(0, 1, 5000, 4_000_000),
    blocks: fc.array(fc.tuple(fc.integer({ min: 0, max: 14 }), fc.integer({ min: 0, max: 14 })), {
      maxLength: 4,
    }),
    waitMs: fc.constantFrom(0, 1, 30, 1100),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const network = new Network();
      const ours = createStream(network, "10.0.0.1", 1);
      const peer = new ScriptedPeer(network, "10.0.0.2", ours);
      ours.stream.connect(ours.socket, 2, peer.port, peer.host);
      ours.stream.write(Buffer.alloc(12 * 1152));
      await network.advance(1);
      for (const { type, seq, ack, window, blocks, waitMs } of steps) {
        peer.send({ type, seq, ack, window, body: sackBlocks(...blocks) });
        await network.advance(waitMs);
        expect(ours.stream.inflight).toBeGreaterThanOrEqual(0);
        expect(ours.stream.inflight).toBeLessThanOrEqual(12);
      }
      if (ours.stream.destroying) return;
      await network.advance(25);
      // Whatever was said, an honest ACK of everything with an open window settles it.
      const nxt = Math.max(
        0,
        ...peer.packets.map((packet) => packet.seq + (packet.type & 3 ? 1 : 0)),
      );
      for (let count = nxt; count <= 13; count++) {
        peer.send({ type: TYPE_ACK, seq: 100, ack: count, window: 4_000_000 });
        await network.advance(2500);
      }
      expect(ours.stream.inflight).toBe(0);
      ours.stream.destroy();
    }),
    { numRuns: 150, seed: 4242 },
  );
}, 30_000);

test("peers that leave a gap and go on sending: all of them together fill no more than the shared budget", async () => {
  const network = new Network();
  const first = createStream(network, "10.0.0.1", 1);
  const { udx, socket } = first;
  const body = Buffer.alloc(60_000);
  const peers = Array.from({ length: 40 }, (_, i) => {
    const victim = watch(udx, socket, udx.createStream(100 + i));
    const peer = new ScriptedPeer(network, `10.0.1.${i}`, victim);
    victim.stream.connect(socket, 2, peer.port, peer.host);
    return peer;
  });
  const baseline = memory();
  // 480 MB, of which none is ever next in line.
  for (let seq = 1; seq <= 200; seq++) {
    for (const [i, peer] of peers.entries()) {
      peer.sendRaw(encode(100 + i, { type: TYPE_DATA, seq, ack: 0, body }));
      peer.packets.length = 0;
    }
    await network.advance(25);
  }
  expect(memory() - baseline).toBeLessThan(64 * 1024 * 1024);

  // An honest stream beside them, over a path that loses.
  const ours = watch(udx, socket, udx.createStream(3));
  const honest = createStream(network, "10.0.0.3", 4);
  connect(ours, honest);
  connect(honest, ours);
  network.link.loss = 0.02;
  const data = pattern(1_000_000);
  writeAll(honest.stream, data);
  await network.runUntil(() => ours.isEnded);
  expect(Buffer.concat(ours.chunks).equals(data)).toBe(true);
}, 30_000);

test("peers that acknowledge all but the first packet: what is kept for them is bounded for all together", async () => {
  const network = new Network();
  const first = createStream(network, "10.0.0.1", 1);
  const { udx, socket } = first;
  const chunk = Buffer.alloc(1 << 20);
  const peers = Array.from({ length: 8 }, (_, i) => {
    const victim = watch(udx, socket, udx.createStream(100 + i));
    const peer = new ScriptedPeer(network, `10.0.1.${i}`, victim);
    victim.stream.connect(socket, 2, peer.port, peer.host);
    const more = (): void => {
      while (!victim.stream.destroying && victim.stream.write(chunk));
    };
    victim.stream.on("drain", more);
    more();
    return { peer, victim, end: 1 };
  });
  let most = 0;
  for (let round = 0; round < 250; round++) {
    for (const each of peers) {
      for (const { seq } of each.peer.packets) each.end = Math.max(each.end, seq + 1);
      each.peer.packets.length = 0;
      const window = 2 ** 32 - 1;
      if (each.end > 1) {
        each.peer.send({ type: TYPE_SACK, ack: 0, window, body: sackBlocks([1, each.end]) });
      }
    }
    await network.advance(20);
    most = Math.max(most, udx.shared.pool.inUse);
  }
  // Without the cap eight such peers would hold 8 x REORDER_LIMIT packets.
  expect(most).toBeGreaterThan(PACKETS_IN_USE_MAX / 2);
  expect(most).toBeLessThanOrEqual(PACKETS_IN_USE_MAX + 8 * PACKETS_GUARANTEED);
  for (const { victim } of peers) victim.stream.destroy();
  await network.advance(50);
  expect(udx.shared.pool.inUse).toBe(0);
}, 60_000);

test("a kernel that takes nothing: answers to strangers do not pile up", async () => {
  const network = new Network();
  const { runtime } = network;
  let isFull = false;
  let sent = 0;
  const udx = new UDX({
    ...runtime,
    bindUdp: (options, events) => {
      const handle = runtime.bindUdp(options, events);
      return {
        ...handle,
        sendMany: (batch) => {
          if (isFull) return 0;
          sent += batch.length / 3;
          return handle.sendMany(batch);
        },
      };
    },
  });
  const socket = udx.createSocket();
  socket.bind(0, "10.0.0.1");
  const ours = watch(udx, socket, udx.createStream(1));
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(socket, 2, peer.port, peer.host);
  await network.advance(20);
  isFull = true;
  for (let i = 0; i < 3 * OUTBOX_MAX; i++) {
    peer.send({ type: TYPE_HEARTBEAT });
    if (i % 32 === 31) await network.advance(11);
  }
  for (let i = 0; i < 3 * OUTBOX_MAX; i++) socket.trySend(Buffer.from("x"), 9, "10.0.0.9");
  isFull = false;
  sent = 0;
  await network.advance(100);
  expect(sent).toBeWithin(OUTBOX_MAX / 2, OUTBOX_MAX + 64);
  // It works on.
  peer.packets.length = 0;
  peer.send({ type: TYPE_HEARTBEAT });
  await network.advance(50);
  expect(peer.packets).toHaveLength(1);
}, 30_000);
