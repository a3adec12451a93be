/** Datagrams from strangers: nothing they contain may throw, grow memory or make us answer. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { TYPE_ACK, TYPE_DATA, TYPE_SACK } from "../../src/udx/header.ts";
import { Network, random } from "./sim/network.ts";
import {
  createPair,
  createStream,
  encode,
  pattern,
  sackBlocks,
  ScriptedPeer,
  writeAll,
} from "./sim/world.ts";

const DATAGRAMS = 100_000;

/** A header with the right magic and id and anything else, or plain noise. */
function garbage(draw: () => number, id: number): Buffer {
  const integer = (limit: number): number => Math.floor(draw() * limit);
  const shape = draw();
  if (shape < 0.1) return Buffer.from(Array.from({ length: integer(60) }, () => integer(256)));
  // Small numbers hit the live sequence space, large ones the wrap and the limits.
  const number = (): number => (draw() < 0.7 ? integer(200) : integer(2 ** 32));
  const datagram = encode(id, {
    type: integer(64) & ~(shape < 0.98 ? 16 : 0),
    seq: number(),
    ack: draw() < 0.7 ? integer(12) : number(),
    window: draw() < 0.8 ? 4_000_000 : number(),
    dataOffset: draw() < 0.8 ? 0 : integer(256),
    body: Buffer.from(Array.from({ length: integer(80) }, () => integer(256))),
  });
  return draw() < 0.05 ? datagram.subarray(0, integer(datagram.length + 1)) : datagram;
}

test(`${DATAGRAMS} mutated datagrams: no exception, no growth, and honest streams unharmed`, async () => {
  const network = new Network();
  const draw = random(77);
  const victim = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", victim);
  victim.stream.connect(victim.socket, 2, peer.port, peer.host);
  // A second stream on the same socket talks to an honest peer all the while.
  const [a, b] = createPair(network);
  const data = pattern(200_000);

  const target = victim.socket.address();
  if (target === null) throw new Error("bound above");
  let baseline = 0;
  for (let i = 0; i < DATAGRAMS; i++) {
    if (victim.isClosed) {
      // DESTROY and timeouts are legitimate ends; go on with a fresh stream under the same id.
      victim.stream = victim.udx.createStream(1);
      victim.isClosed = false;
      victim.stream.on("close", () => (victim.isClosed = true));
      victim.stream.on("error", () => undefined);
      victim.stream.on("data", () => undefined);
      victim.stream.connect(victim.socket, 2, peer.port, peer.host);
      victim.stream.write("something outstanding");
    }
    peer.sendRaw(garbage(draw, 1));
    if (i % 200 === 0) {
      peer.packets.length = 0;
      victim.chunks.length = 0;
      await network.advance(25);
    }
    if (i === DATAGRAMS / 10) {
      Bun.gc(true);
      baseline = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
      writeAll(a.stream, data);
      b.stream.end();
    }
  }
  await network.advance(100);
  Bun.gc(true);
  const after = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  expect(after - baseline).toBeLessThan(24 * 1024 * 1024);
  expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
}, 30_000);

test("noise that is no packet for a live stream becomes a message and is not answered", async () => {
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
