/** Moving a live stream from a relay to the direct path (libudx test/stream-change-remote.c). */
import { expect, test } from "bun:test";
import { TYPE_ACK, TYPE_DATA } from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import {
  connect,
  createPair,
  createStream,
  pattern,
  ScriptedPeer,
  writeAll,
} from "../udx/sim/world.ts";

test("9.1.16, 9.2.59, 9.2.62: both ends leave the relay in mid-transfer and lose nothing", async () => {
  const network = new Network(5);
  Object.assign(network.link, { jitterMs: 5, rate: 2000 });
  const a = createStream(network, "10.0.0.1", 1, { firewall: () => false });
  const b = createStream(network, "10.0.0.2", 2);
  const c = createStream(network, "10.0.0.3", 3);
  const d = createStream(network, "10.0.0.4", 4, { firewall: () => false });
  connect(a, b);
  connect(b, a);
  connect(c, d);
  connect(d, c);
  b.stream.relayTo(c.stream);
  c.stream.relayTo(b.stream);
  let changes = 0;
  a.stream.on("remote-changed", () => changes++);
  d.stream.on("remote-changed", () => changes++);

  const data = pattern(2_000_000);
  writeAll(d.stream, data);
  await network.runUntil(() => a.received > 300_000);
  const direct = { a: a.socket.address(), d: d.socket.address() };
  if (direct.a === null || direct.d === null) throw new Error("bound sockets have addresses");
  // The idle side has nothing outstanding: its change is complete within the call.
  const moved = [a.stream.changeRemote(a.socket, 4, direct.d.port, direct.d.host)];
  expect(changes).toBe(1);
  moved.push(d.stream.changeRemote(d.socket, 1, direct.a.port, direct.a.host));
  expect(changes).toBe(1);
  expect(() => d.stream.changeRemote(d.socket, 1, 1, "10.0.0.1")).toThrow("already changing");
  await network.runUntil(() => changes === 2);
  for (const change of moved) await change;

  b.stream.destroy();
  c.stream.destroy();
  a.stream.end();
  await network.runUntil(() => a.isClosed && d.isClosed);
  expect(Buffer.concat(a.chunks).equals(data)).toBe(true);
  expect(changes).toBe(2);
});

// HyperDHT's idle relayed connections never left the relay: the change was announced a microtask late, after the
// one packet that proves the direct path.
test("with nothing outstanding the packet that caused the change is seen by who listens at once", async () => {
  const network = new Network();
  const b = createStream(network, "10.0.0.2", 2, {
    firewall(_socket, port, host) {
      const pending = b.stream.changeRemote(b.socket, 1, port, host);
      if (pending === null) b.stream.on("message", () => proofs++);
      return false;
    },
  });
  let proofs = 0;
  const a = createStream(network, "10.0.0.1", 1);
  const relay = createStream(network, "10.0.0.3", 3);
  connect(b, relay);
  const direct = b.udx.createSocket();
  direct.bind(0, b.socket.address()?.host);
  a.stream.connect(a.socket, b.stream.id, direct.address()?.port ?? 0, "10.0.0.2");
  a.stream.trySend(Buffer.alloc(0));
  await network.advance(100);
  expect(proofs).toBe(1);
});

test("what was sent before keeps its address and id when it is sent again", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1);
  const before = new ScriptedPeer(network, "10.0.0.2", ours);
  const after = new ScriptedPeer(network, "10.0.0.3", ours);
  ours.stream.connect(ours.socket, 2, before.port, before.host);
  ours.stream.write("old path");
  await network.advance(50);
  const changed = ours.stream.changeRemote(ours.socket, 3, after.port, after.host);
  ours.stream.write("new path");
  await network.advance(1200);
  expect(before.packets.map(({ seq, id }) => [seq, id])).toContainEqual([0, 2]);
  expect(before.packets.filter(({ seq }) => seq === 0).length).toBeGreaterThan(1);
  expect(before.packets.some(({ seq }) => seq === 1)).toBe(false);
  expect(after.packets.filter(({ type }) => type & TYPE_DATA)[0]).toMatchObject({ seq: 1, id: 3 });
  before.send({ type: TYPE_ACK, ack: 1 });
  await network.advance(50);
  await changed;
});

test("9.2.60: a pending change is settled when the stream ends", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  a.stream.write("outstanding");
  await network.advance(1);
  const port = b.socket.address()?.port ?? 0;
  const changed = a.stream.changeRemote(a.socket, 2, port, "10.0.0.2");
  a.stream.destroy();
  await network.advance(50);
  expect(await changed?.catch((error) => error.message)).toBe("Stream is closed");
});

test("the old socket counts the stream until the change is complete, the new one at once", async () => {
  const network = new Network();
  // Answers still come to the old socket, and that is for the hook to allow.
  const [a, b] = createPair(network, { firewall: () => false });
  const next = a.udx.createSocket();
  next.bind(0, "10.0.0.1");
  const seen: string[] = [];
  a.socket.on("idle", () => seen.push("old idle"));
  next.on("busy", () => seen.push("new busy"));
  a.stream.write("outstanding");
  await network.advance(1);
  const port = b.socket.address()?.port ?? 0;
  const changed = a.stream.changeRemote(next, 2, port, "10.0.0.2");
  expect(seen).toEqual(["new busy"]);
  expect(a.socket.busy).toBe(true);
  await network.advance(1500);
  await changed;
  expect(seen).toEqual(["new busy", "old idle"]);
  expect(a.stream.socket).toBe(next);
});

test("on a blocked path the memory of moved packets is not reused under them", async () => {
  const network = new Network(2);
  network.link.loss = 0.1;
  const [a, b] = createPair(network, { firewall: () => false });
  const data = pattern(500_000);
  writeAll(a.stream, data);
  b.stream.end();
  for (let round = 0; round < 5 && !a.isClosed; round++) {
    await network.advance(40);
    if (a.isClosed) break;
    const next = a.udx.createSocket();
    next.bind(0, "10.0.0.1");
    const port = b.socket.address()?.port ?? 0;
    const changed = a.stream.changeRemote(next, 2, port, "10.0.0.2");
    await network.runUntil(() => a.isClosed || a.stream.socket === next);
    await Promise.race([changed, network.advance(3000)]);
  }
  await network.runUntil(() => b.isEnded);
  expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
});
