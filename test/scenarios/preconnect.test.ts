/** Packets that arrive before connect, and the firewall hook that decides about them. */
import { expect, test } from "bun:test";
import { TYPE_ACK, TYPE_DATA, TYPE_END, TYPE_MESSAGE } from "../../src/udx/header.ts";
import type { UDXSocket } from "../../src/udx/socket.ts";
import { Network } from "../udx/sim/network.ts";
import { connect, createStream, ScriptedPeer, watch } from "../udx/sim/world.ts";

test("without a hook everything is dropped", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  peer.send({ type: TYPE_DATA, body: Buffer.from("early") });
  await network.advance(50);
  expect(ours.received).toBe(0);
  expect(ours.stream.packetsReceived).toBe(1);
});

test("9.2.35: the hook sees each packet's socket and source, and admitted data waits for no connect", async () => {
  const network = new Network();
  const asked: [UDXSocket, number, string, number][] = [];
  const ours = createStream(network, "10.0.0.1", 1, {
    firewall: (...question) => {
      asked.push(question);
      return false;
    },
  });
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  peer.send({ type: TYPE_DATA, seq: 0, body: Buffer.from("ear") });
  peer.send({ type: TYPE_DATA, seq: 1, body: Buffer.from("ly") });
  peer.send({ type: TYPE_MESSAGE, seq: 2, body: Buffer.from("m") });
  peer.send({ type: TYPE_END, seq: 2 });
  await network.advance(50);
  expect(asked).toHaveLength(4);
  expect(asked[0]).toEqual([ours.socket, peer.port, "10.0.0.2", 4]);
  expect(Buffer.concat(ours.chunks).toString()).toBe("early");
  expect(ours.messages.map(String)).toEqual(["m"]);
  // The end waits for its ACK, and the ACK for somewhere to go.
  expect(ours.isEnded).toBe(false);
  expect(peer.packets).toHaveLength(0);

  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  await network.advance(50);
  expect(ours.isEnded).toBe(true);
  expect(peer.packets).toHaveLength(1);
  expect(peer.packets[0]).toMatchObject({ type: TYPE_ACK, ack: 3 });
});

test("the packet that makes the hook connect is the first to be processed", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1, {
    firewall: (socket, port, host) => {
      ours.stream.connect(socket, 2, port, host);
      return false;
    },
  });
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  peer.send({ type: TYPE_DATA, body: Buffer.from("knock") });
  await network.advance(50);
  expect(Buffer.concat(ours.chunks).toString()).toBe("knock");
  expect(peer.packets.at(-1)).toMatchObject({ type: TYPE_ACK, ack: 1 });
});

test("the hook may destroy the stream", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1, {
    firewall: () => {
      ours.stream.destroy();
      return false;
    },
  });
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  peer.send({ type: TYPE_DATA, body: Buffer.from("knock") });
  await network.advance(50);
  expect(ours.isClosed).toBe(true);
  expect(ours.received).toBe(0);
});

test("connecting inside the read callback acknowledges what was read", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1, { firewall: () => false });
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.once("data", () => ours.stream.connect(ours.socket, 2, peer.port, peer.host));
  peer.send({ type: TYPE_DATA, body: Buffer.from("x") });
  await network.advance(50);
  expect(peer.packets.map(({ ack }) => ack)).toEqual([1]);
});

test("on the stream's own socket the source is not checked: NATs rebind", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  const moved = new ScriptedPeer(network, "10.0.0.9", ours);
  moved.send({ type: TYPE_DATA, body: Buffer.from("still me") });
  await network.advance(50);
  expect(Buffer.concat(ours.chunks).toString()).toBe("still me");
  // Replies go to the configured remote only.
  expect(moved.packets).toHaveLength(0);
  expect(peer.packets.at(-1)).toMatchObject({ type: TYPE_ACK, ack: 1 });
});

test("9.1.7: a stream connected to itself works", async () => {
  const network = new Network();
  const self = createStream(network, "10.0.0.1", 1);
  const port = self.socket.address()?.port ?? 0;
  self.stream.connect(self.socket, 1, port, "10.0.0.1");
  self.stream.end("to me");
  await network.runUntil(() => self.isClosed, 5000);
  expect(Buffer.concat(self.chunks).toString()).toBe("to me");
  expect(self.error).toBeNull();
});

for (const isShared of [false, true]) {
  const sockets = isShared ? "one shared socket" : "two sockets";
  test(`9.1.6: connecting inside the read callback completes the sender's write, on ${sockets}`, async () => {
    const network = new Network();
    const a = createStream(network, "10.0.0.1", 1);
    const socket = isShared ? a.socket : a.udx.createSocket();
    if (!isShared) socket.bind(0, "10.0.0.1");
    const b = watch(a.udx, socket, a.udx.createStream(2, { firewall: () => false }));
    connect(a, b);
    b.stream.once("data", () => connect(b, a));
    a.stream.write("hello");
    const flushed = a.stream.flush();
    await network.advance(100);
    expect(await flushed).toBe(true);
    expect(Buffer.concat(b.chunks).toString()).toBe("hello");
    expect(a.stream.retransmits).toBe(0);
  });
}

test("9.2.67: the default hook on a shared socket delivers nothing, and the writer times out", async () => {
  const network = new Network();
  const a = createStream(network, "10.0.0.1", 1);
  const b = watch(a.udx, a.socket, a.udx.createStream(2));
  connect(a, b);
  a.stream.write("hello");
  await network.runUntil(() => a.isClosed, 60_000);
  expect(a.error).toMatchObject({ code: "ETIMEDOUT" });
  expect(b.received).toBe(0);
});
