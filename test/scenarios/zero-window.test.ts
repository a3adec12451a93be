/** Flow control: closed windows, their probes, and their re-opening (libudx test/stream-zero-window*.c). */
import { expect, test } from "bun:test";
import { RECV_HARD_LIMIT, RECV_WINDOW_MAX } from "../../src/udx/constants.ts";
import { TYPE_ACK, TYPE_DATA, TYPE_HEARTBEAT } from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import {
  createPair,
  createStream,
  pattern,
  readAll,
  ScriptedPeer,
  writeAll,
} from "../udx/sim/world.ts";

test("9.1.18, 9.3.2: a window closed from the start is probed at once and then at one and three seconds", async () => {
  const network = new Network();
  const sender = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", sender);
  sender.stream.connect(sender.socket, 2, peer.port, peer.host);
  let window = 0;
  peer.onPacket = ({ type, seq }) => {
    const ack = type & TYPE_DATA ? seq + 1 : seq;
    peer.send({ type: TYPE_ACK, ack, window });
  };
  peer.send({ type: TYPE_ACK, window: 0 });
  await network.advance(100);

  const startedAt = network.nowMs + network.link.delayMs;
  sender.stream.write("wait for it");
  await network.advance(3500);
  const probes = peer.packets.filter(({ type }) => type === TYPE_HEARTBEAT);
  expect(probes.map(({ at }) => Math.round(at - startedAt))).toEqual([0, 1000, 3000]);
  expect(peer.packets.some(({ type }) => type & TYPE_DATA)).toBe(false);

  window = 10_000;
  await network.runUntil(() => peer.packets.some(({ type }) => type & TYPE_DATA), 5000);
  await network.advance(100);
  expect(sender.stream.rtoCount).toBe(0);
  expect(await sender.stream.flush()).toBe(true);
});

test("9.3.2: a window that re-opens unasked lets data out without a probe", async () => {
  const network = new Network();
  const sender = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", sender);
  sender.stream.connect(sender.socket, 2, peer.port, peer.host);
  peer.send({ type: TYPE_ACK, window: 0 });
  await network.advance(50);
  sender.stream.write("held");
  await network.advance(100);
  peer.send({ type: TYPE_ACK, window: 5000 });
  await network.advance(30);
  expect(peer.packets.at(-1)).toMatchObject({ type: TYPE_DATA });
});

test("9.3.4: an old packet cannot close a window that a newer one opened", async () => {
  const network = new Network();
  const sender = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", sender);
  sender.stream.connect(sender.socket, 2, peer.port, peer.host);
  peer.send({ type: TYPE_ACK, seq: 5, window: 50_000 });
  peer.send({ type: TYPE_ACK, seq: 4, window: 0 });
  await network.advance(50);
  sender.stream.write("goes out");
  await network.advance(50);
  expect(peer.packets.some(({ type }) => type & TYPE_DATA)).toBe(true);
});

test("9.1.20, 9.3.2: a window that closes while a packet is lost does not replace its retransmission", async () => {
  const network = new Network();
  const sender = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", sender);
  sender.stream.connect(sender.socket, 2, peer.port, peer.host);
  const seen: number[] = [];
  let window = 0;
  peer.onPacket = ({ type, seq }) => {
    if (!(type & TYPE_DATA)) return peer.send({ type: TYPE_ACK, ack: seq, window });
    seen.push(seq);
    if (seen.length === 1) return peer.send({ type: TYPE_ACK, ack: 0, window: 0 });
    window = 10_000;
    return peer.send({ type: TYPE_ACK, ack: seq + 1, window });
  };
  sender.stream.write("one");
  await network.advance(30);
  sender.stream.write("two");
  const flushed = sender.stream.flush();
  await network.advance(20_000);
  expect(await flushed).toBe(true);
  expect(seen.slice(0, 2)).toEqual([0, 0]);
  expect(peer.packets.some(({ type }) => type === TYPE_HEARTBEAT)).toBe(false);
});

test("a reader that stops closes the window and nothing is lost when it goes on", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  b.stream.removeAllListeners("data");
  b.stream.pause();
  b.chunks.length = 0;
  const data = pattern(3 * RECV_WINDOW_MAX);
  writeAll(a.stream, data, 65_536);
  b.stream.end();
  await network.advance(20_000);
  const unread = b.stream._readableState.buffered;
  expect(unread).toBeGreaterThan(RECV_WINDOW_MAX / 2);
  expect(unread).toBeLessThan(RECV_HARD_LIMIT);

  const resumedAt = network.nowMs;
  readAll(b);
  b.stream.resume();
  await network.runUntil(() => a.isClosed && b.isClosed, 60_000);
  expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
  expect(a.stream.rtoCount).toBe(0);
  // The re-opened window is announced, not waited for: probing alone would take seconds.
  expect(network.nowMs - resumedAt).toBeLessThan(900);
});

test("a peer that ignores the window cannot fill the memory", async () => {
  const network = new Network();
  const victim = createStream(network, "10.0.0.1", 1, { read: false });
  const peer = new ScriptedPeer(network, "10.0.0.2", victim);
  victim.stream.connect(victim.socket, 2, peer.port, peer.host);
  const body = Buffer.alloc(1400);
  for (let seq = 0; seq < (2 * RECV_HARD_LIMIT) / 1400; seq++) {
    peer.send({ type: TYPE_DATA, seq, body });
    if (seq % 500 === 0) await network.advance(20);
  }
  await network.advance(100);
  expect(victim.stream._readableState.buffered).toBeLessThan(RECV_HARD_LIMIT + 64 * 1400);
  expect(peer.packets.some(({ window }) => window === 0)).toBe(true);
});
