/** The peer repeats its END when our last ACK is lost; libudx, without TIME-WAIT, would let it time out. */
import { expect, test } from "bun:test";
import { TIME_WAIT_MS } from "../../src/udx/constants.ts";
import { TYPE_ACK, TYPE_DATA, TYPE_END } from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import { createPair, createStream, ScriptedPeer } from "../udx/sim/world.ts";

test("9.3.3: both sides close cleanly although every packet of the closing side is lost for a second", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  a.stream.end("bye");
  b.stream.end();
  await network.runUntil(() => a.isClosed || b.isClosed);
  const [first, second] = a.isClosed ? [a, b] : [b, a];
  const address = first.socket.address();
  const until = network.nowMs + 1000;
  network.link.drop = (_datagram, from) =>
    network.nowMs < until && from === `${address?.host}:${address?.port}`;
  await network.runUntil(() => second.isClosed, 30_000);
  expect(second.error).toBeNull();
});

test("9.3.3: a repeated END of a closed stream is answered to its peer, for a while", async () => {
  const network = new Network();
  const closed = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", closed);
  closed.stream.connect(closed.socket, 2, peer.port, peer.host);
  closed.stream.end();
  await network.advance(30);
  peer.send({ type: TYPE_END, seq: 0, ack: 1 });
  await network.advance(30);
  expect(closed.isClosed).toBe(true);

  peer.packets.length = 0;
  peer.send({ type: TYPE_END, seq: 0, ack: 1 });
  await network.advance(30);
  expect(peer.packets).toHaveLength(1);
  expect(peer.packets[0]).toMatchObject({ type: TYPE_ACK, id: 2, seq: 1, ack: 1 });

  const strays: Buffer[] = [];
  closed.socket.on("message", (message) => strays.push(message));
  peer.send({ type: TYPE_ACK, seq: 1, ack: 1 });
  await network.advance(30);
  expect(peer.packets).toHaveLength(1);
  expect(strays).toHaveLength(1);

  await network.advance(TIME_WAIT_MS);
  peer.send({ type: TYPE_DATA, seq: 0, ack: 1 });
  await network.advance(30);
  expect(peer.packets).toHaveLength(1);
  expect(strays).toHaveLength(2);
});

test("an answer goes to the recorded peer, so a spoofed source gains nothing", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  a.stream.end();
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  const stranger = new ScriptedPeer(network, "10.0.0.66", a);
  stranger.send({ type: TYPE_END, seq: 0, ack: 1 });
  await network.advance(100);
  expect(stranger.packets).toHaveLength(0);
});

test("an id that is used again belongs to the new stream", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  a.stream.end();
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  const again = a.udx.createStream(1, { firewall: () => false });
  const chunks: unknown[] = [];
  again.on("data", (chunk) => chunks.push(chunk));
  const peer = new ScriptedPeer(network, "10.0.0.3", a);
  peer.send({ type: TYPE_DATA, seq: 0, body: Buffer.from("new") });
  await network.advance(50);
  expect(chunks).toHaveLength(1);
});
