/** DESTROY: who may abort a stream, and what is left of it. */
import { expect, test } from "bun:test";
import { REORDER_LIMIT } from "../../src/udx/constants.ts";
import { TYPE_ACK, TYPE_DATA, TYPE_DESTROY } from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import { createPair, createStream, type Watch, ScriptedPeer } from "../udx/sim/world.ts";

function scripted(network: Network): [Watch, ScriptedPeer] {
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  peer.send({ type: TYPE_DATA, seq: 0, body: Buffer.from("a") });
  peer.send({ type: TYPE_DATA, seq: 1, body: Buffer.from("b") });
  return [ours, peer];
}

test("9.3.3: before the next expected number it only counts as an ACK", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  await network.advance(30);
  peer.send({ type: TYPE_DESTROY, seq: 1 });
  await network.advance(30);
  expect(ours.stream.destroying).toBe(false);
});

for (const seq of [2, 3, 2 + REORDER_LIMIT - 1]) {
  test(`9.3.3: at ${seq}, with 2 expected, it resets the stream`, async () => {
    const network = new Network();
    const [ours, peer] = scripted(network);
    await network.advance(30);
    peer.send({ type: TYPE_DESTROY, seq });
    await network.advance(30);
    expect(ours.error).toMatchObject({ code: "ECONNRESET", message: "connection reset by peer" });
    expect(ours.isClosed).toBe(true);
  });
}

test("a guess anywhere else in the number space is ignored", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  await network.advance(30);
  for (const seq of [2 + REORDER_LIMIT, 1_000_000, 0x7fff_0000, 0x8000_0000, 0xffff_fff0]) {
    peer.send({ type: TYPE_DESTROY, seq });
  }
  await network.advance(30);
  expect(ours.stream.destroying).toBe(false);
});

test("what arrived before it, even in the same batch, still reaches the reader", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  peer.send({ type: TYPE_DESTROY, seq: 2 });
  await network.advance(30);
  expect(Buffer.concat(ours.chunks).toString()).toBe("ab");
  expect(ours.error).toMatchObject({ code: "ECONNRESET" });
});

test("that holds for a batch of any length", async () => {
  // The transport ends its turn inside long batches, once before the reader's handlers had run.
  for (let count = 28; count <= 36; count++) {
    const network = new Network();
    const [ours, peer] = scripted(network);
    for (let seq = 2; seq < count; seq++)
      peer.send({ type: TYPE_DATA, seq, body: Buffer.from("c") });
    peer.send({ type: TYPE_DESTROY, seq: count });
    await network.advance(30);
    expect(ours.received).toBe(count);
    expect(ours.isClosed).toBe(true);
  }
});

test("a local destroy sends exactly one packet with our next number, and closes without error", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  ours.stream.write("sent");
  await network.advance(30);
  peer.packets.length = 0;
  ours.stream.write("never sent");
  ours.stream.destroy();
  expect(ours.stream.connected).toBe(false);
  await network.advance(20_000);
  expect(ours.isClosed).toBe(true);
  expect(ours.error).toBeNull();
  expect(peer.packets).toHaveLength(1);
  expect(peer.packets[0]).toMatchObject({ type: TYPE_DESTROY, id: 2, seq: 1, ack: 2 });
});

test("the error given to destroy is emitted here; the peer sees a reset", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  const reason = new Error("changed my mind");
  a.stream.destroy(reason);
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(a.error).toBe(reason);
  expect(b.error).toMatchObject({ code: "ECONNRESET" });
});

test("9.1.4, 9.2.34: an unconnected stream closes without a packet", async () => {
  const network = new Network();
  const lone = createStream(network, "10.0.0.1", 1);
  lone.stream.destroy();
  await network.advance(5);
  expect(lone.isClosed).toBe(true);
  expect(network.sent).toBe(0);
});

test("9.2.39: destroying while packets wait beyond a gap closes both sides", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  peer.send({ type: TYPE_DATA, seq: 9, body: Buffer.from("later") });
  await network.advance(30);
  ours.stream.destroy();
  peer.send({ type: TYPE_ACK, seq: 10 });
  await network.advance(30);
  expect(ours.isClosed).toBe(true);
});

test("9.2.42: the peer may destroy before we connect; connecting and destroying later are harmless", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1, { firewall: () => false });
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  peer.send({ type: TYPE_DESTROY });
  await network.advance(30);
  expect(ours.error).toMatchObject({ code: "ECONNRESET" });
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  ours.stream.destroy();
  await network.advance(30);
  expect(ours.stream.connected).toBe(false);
  expect(peer.packets).toHaveLength(0);
});

test("9.1.4: the socket may be closed in the close handler of a destroyed stream", async () => {
  const network = new Network();
  const [a] = createPair(network);
  let isSocketClosed = false;
  a.stream.on("close", () => void a.socket.close().then(() => (isSocketClosed = true)));
  a.stream.destroy();
  await network.advance(50);
  expect([a.error, isSocketClosed]).toEqual([null, true]);
});

test("9.1.5: destroying right after a write cancels the write and sends none of it", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  a.stream.write("never sent");
  const flushed = a.stream.flush();
  a.stream.destroy();
  await network.advance(50);
  expect(await flushed).toBe(false);
  expect([a.isClosed, a.error, b.received]).toEqual([true, null, 0]);
});
