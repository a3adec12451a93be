import { expect, test } from "bun:test";
import { Header, TYPE_ACK, TYPE_DATA, TYPE_SACK } from "../../src/udx/header.ts";
import { PendingAck } from "../../src/udx/pending-ack.ts";
import { Network } from "./sim/network.ts";
import { createStream, ScriptedPeer } from "./sim/world.ts";

function header(fields: Partial<Header>): Header {
  return Object.assign(new Header(), { type: TYPE_ACK, ack: 5, seq: 3, window: 1000 }, fields);
}

test("the newest pure ACK takes the place of older ones, across the wrap", () => {
  const pending = new PendingAck();
  expect(pending.folds(header({}))).toBe(true);
  pending.set(header({ ack: -1 }), 7);
  expect(pending.folds(header({ ack: 0 }))).toBe(true);
  pending.set(header({ ack: 0, window: 0 }), 8);
  expect(pending).toMatchObject({ isSet: true, atMs: 8, header: { ack: 0, window: 0 } });
});

test("an older one, or one that says more than an ACK, does not", () => {
  const pending = new PendingAck();
  pending.set(header({}), 7);
  expect(pending.folds(header({ ack: 4 }))).toBe(false);
  expect(pending.folds(header({ seq: 2 }))).toBe(false);
  expect(pending.folds(header({ type: TYPE_SACK }))).toBe(false);
  expect(pending.folds(header({ type: TYPE_DATA }))).toBe(false);
});

test("a batch of ACKs acknowledges all it names, and its last window holds", async () => {
  const network = new Network();
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  ours.stream.write(Buffer.alloc(4 * 1152));
  await network.advance(11);
  for (let ack = 1; ack <= 4; ack++)
    peer.send({ type: TYPE_ACK, ack, window: ack === 4 ? 0 : 9000 });
  const flushed = ours.stream.flush();
  await network.advance(11);
  expect(await flushed).toBe(true);
  ours.stream.write("held back");
  await network.advance(100);
  expect(peer.packets.filter(({ type }) => type & TYPE_DATA)).toHaveLength(4);
  peer.send({ type: TYPE_ACK, ack: 4, window: 9000 });
  await network.advance(100);
  expect(peer.packets.at(-1)).toMatchObject({ type: TYPE_DATA, seq: 4 });
});
