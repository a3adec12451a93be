/** A receiver with next to no buffer, and how a writer notices (libudx test/stream-zero-window-slow.c). */
import { expect, test } from "bun:test";
import { WRITE_HIGH_WATER } from "../../src/udx/constants.ts";
import { TYPE_ACK, TYPE_DATA, TYPE_END, TYPE_HEARTBEAT } from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import { createPair, createStream, pattern, ScriptedPeer, writeAll } from "../udx/sim/world.ts";

test("9.1.19: 2000 bytes of buffer drained at 500 bytes a second: many window probes, no time-out", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  const capacity = 2000;
  const data = pattern(30_000);
  const taken: Buffer[] = [];
  let startedAt = 0;
  let received = 0;
  let ack = 0;
  // The reader has taken 500 bytes of each second since the first packet, and everything is in order.
  const window = (): number => {
    const drained = Math.min(received, ((network.nowMs - startedAt) / 1000) * 500);
    const free = Math.floor(capacity - (received - drained));
    return free < 1152 ? 0 : free;
  };
  peer.onPacket = ({ type, seq, payload }) => {
    startedAt ||= network.nowMs;
    if (type & (TYPE_DATA | TYPE_END) && seq === ack) {
      ack++;
      received += payload.length;
      taken.push(payload);
    }
    peer.send({ type: TYPE_ACK, ack, window: window() });
    if (type & TYPE_END && ack === seq + 1) peer.send({ type: TYPE_END, seq: 0, ack });
  };
  peer.send({ type: TYPE_ACK, window: capacity });
  await network.advance(20);
  writeAll(ours.stream, data);
  await network.runUntil(() => ours.isClosed, 300_000);
  expect(Buffer.concat(taken).equals(data)).toBe(true);
  const probes = peer.packets.filter(({ type }) => type === TYPE_HEARTBEAT);
  expect(probes.length).toBeGreaterThan(10);
  expect(ours.stream.rtoCount).toBe(0);
  expect(ours.error).toBeNull();
});

test("9.1.17: a write beyond the high-water mark is not drained until enough is acknowledged", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  let drains = 0;
  ours.stream.on("drain", () => drains++);
  expect(ours.stream.write(Buffer.alloc(2 * WRITE_HIGH_WATER))).toBe(false);
  await network.advance(500);
  expect(drains).toBe(0);
  let ack = 0;
  peer.onPacket = ({ type, seq }) => {
    if (type & TYPE_DATA && seq === ack) ack++;
    peer.send({ type: TYPE_ACK, ack });
  };
  await network.advance(10_000);
  expect(drains).toBe(1);
  expect(await ours.stream.flush()).toBe(true);
});

test("9.1.17: a small write after a drained one is accepted at once", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  expect(a.stream.write(Buffer.alloc(1000))).toBe(true);
  await network.advance(100);
  expect(a.stream.write(Buffer.alloc(1000))).toBe(true);
  await network.advance(100);
  expect(b.received).toBe(2000);
});
