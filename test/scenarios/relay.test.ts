/** Streams as forwarders: a–b and c–d, where b and c relay to each other (libudx test/stream-relay*.c). */
import { expect, test } from "bun:test";
import { TYPE_DATA, TYPE_DESTROY } from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import {
  connect,
  createStream,
  pattern,
  ScriptedPeer,
  type Watch,
  writeAll,
} from "../udx/sim/world.ts";

interface Chain {
  readonly a: Watch;
  readonly b: Watch;
  readonly c: Watch;
  readonly d: Watch;
}

function chain(network: Network): Chain {
  const a = createStream(network, "10.0.0.1", 1);
  const b = createStream(network, "10.0.0.2", 2);
  const c = createStream(network, "10.0.0.3", 3);
  const d = createStream(network, "10.0.0.4", 4);
  connect(a, b);
  connect(b, a);
  connect(c, d);
  connect(d, c);
  b.stream.relayTo(c.stream);
  c.stream.relayTo(b.stream);
  return { a, b, c, d };
}

test("9.1.14: a relayed stream is one stream to its ends", async () => {
  const network = new Network(3);
  network.link.loss = 0.01;
  const { a, b, c, d } = chain(network);
  const data = pattern(1_000_000);
  writeAll(d.stream, data);
  a.stream.end("short answer");
  await network.runUntil(() => a.isClosed && d.isClosed);
  expect(Buffer.concat(a.chunks).equals(data)).toBe(true);
  expect(Buffer.concat(d.chunks).toString()).toBe("short answer");
  expect(a.error).toBeNull();
  expect(d.error).toBeNull();
  // The relay neither reads nor answers, and what it forwards is not its own traffic.
  expect(b.received + c.received).toBe(0);
  expect(b.stream.packetsTransmitted + c.stream.packetsTransmitted).toBe(0);
});

test("9.2.57: a message passes unchanged", async () => {
  const network = new Network();
  const { a, d } = chain(network);
  a.stream.trySend(Buffer.from("through"));
  await network.advance(100);
  expect(d.messages.map(String)).toEqual(["through"]);
});

test("an abort passes, and takes both legs with it", async () => {
  const network = new Network();
  const { a, b, c, d } = chain(network);
  a.stream.destroy();
  await network.runUntil(() => [a, b, c, d].every(({ isClosed }) => isClosed), 1000);
  expect(a.error).toBeNull();
  expect(b.error).toMatchObject({ code: "ECONNRESET" });
  expect(c.error).toBeNull();
  expect(d.error).toMatchObject({ code: "ECONNRESET" });
});

test("9.1.14, 9.2.58: destroying all four at once ends without a packet from the legs", async () => {
  const network = new Network();
  const { a, b, c, d } = chain(network);
  for (const { stream } of [b, c, a, d]) stream.destroy();
  await network.runUntil(() => [a, b, c, d].every(({ isClosed }) => isClosed), 1000);
  expect(network.sent).toBe(2);
});

test("before the destination is connected packets are dropped, later ones arrive", async () => {
  const network = new Network();
  const source = createStream(network, "10.0.0.1", 1);
  const leg = createStream(network, "10.0.0.3", 3);
  const peer = new ScriptedPeer(network, "10.0.0.2", source);
  const target = new ScriptedPeer(network, "10.0.0.4", leg);
  source.stream.connect(source.socket, 2, peer.port, peer.host);
  source.stream.relayTo(leg.stream);
  peer.send({ type: TYPE_DATA, seq: 0, body: Buffer.from("early") });
  await network.advance(50);
  leg.stream.connect(leg.socket, 44, target.port, target.host);
  peer.send({ type: TYPE_DATA, seq: 1, ack: 9, window: 77, body: Buffer.from("late") });
  await network.advance(50);
  expect(target.packets).toHaveLength(1);
  // Everything but the id is end-to-end.
  expect(target.packets[0]).toMatchObject({ id: 44, type: TYPE_DATA, seq: 1, ack: 9, window: 77 });
});

test("the firewall is asked before anything is forwarded", async () => {
  const network = new Network();
  const source = createStream(network, "10.0.0.1", 1, { firewall: () => true });
  const leg = createStream(network, "10.0.0.3", 3);
  const peer = new ScriptedPeer(network, "10.0.0.2", source);
  const target = new ScriptedPeer(network, "10.0.0.4", leg);
  leg.stream.connect(leg.socket, 44, target.port, target.host);
  source.stream.relayTo(leg.stream);
  peer.send({ type: TYPE_DESTROY });
  await network.advance(50);
  expect(target.packets).toHaveLength(0);
});

test("9.2.61: relaying twice, or to a closed stream, is refused", async () => {
  const network = new Network();
  const { a, b, c } = chain(network);
  expect(() => b.stream.relayTo(c.stream)).toThrow();
  const late = createStream(network, "10.0.0.5", 5);
  a.stream.destroy();
  await network.advance(50);
  expect(() => late.stream.relayTo(a.stream)).toThrow();
});

test("9.1.15: what is relayed comes from the other leg's socket, where the hook can connect to it", async () => {
  const network = new Network();
  const a = createStream(network, "10.0.0.1", 1);
  const b = createStream(network, "10.0.0.2", 2);
  const c = createStream(network, "10.0.0.3", 3);
  const sources: [number, string][] = [];
  const d = createStream(network, "10.0.0.4", 4, {
    firewall: (_socket, port, host) => {
      sources.push([port, host]);
      if (!d.stream.connected) d.stream.connect(d.socket, 3, port, host);
      return false;
    },
  });
  connect(a, b);
  connect(b, a);
  connect(c, d);
  b.stream.relayTo(c.stream);
  c.stream.relayTo(b.stream);
  a.stream.write("hello");
  const flushed = a.stream.flush();
  await network.advance(200);
  expect(await flushed).toBe(true);
  expect(sources).toEqual([[c.socket.address()?.port ?? 0, "10.0.0.3"]]);
  expect(Buffer.concat(d.chunks).toString()).toBe("hello");
});
