import { expect, test } from "bun:test";
import { TYPE_ACK, TYPE_DATA, TYPE_HEARTBEAT } from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import { createPair, createStream, ScriptedPeer } from "../udx/sim/world.ts";

test("9.1.25: an idle stream keeps asking, the peer answers each time, and both end cleanly", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  a.stream.setKeepalive(10);
  await network.advance(500);
  expect(a.stream.packetsTransmitted).toBeGreaterThan(10);
  expect(b.stream.packetsTransmitted).toBeGreaterThan(10);
  a.stream.end();
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed, 5000);
  expect(a.error).toBeNull();
});

test("zero turns it off instead of flooding", async () => {
  const network = new Network();
  const [a] = createPair(network);
  a.stream.setKeepalive(10);
  await network.advance(100);
  a.stream.setKeepalive(0);
  const before = a.stream.packetsTransmitted;
  await network.advance(10_000);
  expect(a.stream.packetsTransmitted).toBe(before);
});

test("it yields to the timers of data in flight and comes back", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  ours.stream.setKeepalive(100);
  ours.stream.write("unanswered");
  await network.advance(950);
  expect(peer.packets.map(({ type }) => type)).toEqual([TYPE_DATA]);
  peer.send({ type: TYPE_ACK, ack: 1 });
  await network.advance(150);
  expect(peer.packets.at(-1)).toMatchObject({ type: TYPE_HEARTBEAT, seq: 1 });
});
