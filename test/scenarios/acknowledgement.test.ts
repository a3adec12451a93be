/** What is acknowledged, when, and with which numbers. */
import { expect, test } from "bun:test";
import { RECV_WINDOW_MAX, REORDER_BYTES_MAX, REORDER_ENTRY_COST } from "../../src/udx/constants.ts";
import {
  TYPE_ACK,
  TYPE_DATA,
  TYPE_END,
  TYPE_HEARTBEAT,
  TYPE_MESSAGE,
  TYPE_SACK,
} from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import { createStream, sackBlocks, ScriptedPeer, type Watch } from "../udx/sim/world.ts";

function scripted(network: Network): [Watch, ScriptedPeer] {
  const ours = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", ours);
  ours.stream.connect(ours.socket, 2, peer.port, peer.host);
  return [ours, peer];
}

const body = Buffer.from("x");

test("a batch in order costs one ACK, a gap is listed, a filled gap is confirmed", async () => {
  const network = new Network();
  const [, peer] = scripted(network);
  for (let seq = 0; seq < 5; seq++) peer.send({ type: TYPE_DATA, seq, body });
  await network.advance(30);
  expect(peer.packets.map(({ type, ack }) => [type, ack])).toEqual([[TYPE_ACK, 5]]);
  peer.send({ type: TYPE_DATA, seq: 6, body });
  peer.send({ type: TYPE_DATA, seq: 10, body });
  await network.advance(30);
  expect(peer.packets.at(-1)).toMatchObject({
    type: TYPE_SACK,
    ack: 5,
    sack: [
      [6, 7],
      [10, 11],
    ],
  });
  peer.send({ type: TYPE_DATA, seq: 5, body });
  await network.advance(30);
  expect(peer.packets.at(-1)).toMatchObject({ type: TYPE_SACK, ack: 7, sack: [[10, 11]] });
});

test("9.3.4: duplicates, old packets and heartbeats are answered", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  for (const type of [TYPE_DATA, TYPE_DATA, TYPE_HEARTBEAT]) {
    peer.send({ type, seq: 0, body });
    await network.advance(30);
  }
  expect(peer.packets.map(({ type, ack }) => [type, ack])).toEqual([
    [TYPE_ACK, 1],
    [TYPE_ACK, 1],
    [TYPE_ACK, 1],
  ]);
  expect(ours.received).toBe(1);
});

test("9.3.1: pure ACKs, messages and unknown types are not answered", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  peer.send({ type: TYPE_ACK });
  peer.send({ type: TYPE_MESSAGE, body });
  peer.send({ type: 0xc0 });
  await network.advance(30);
  expect(peer.packets).toHaveLength(0);
  expect(ours.messages).toHaveLength(1);
});

test("a DATA packet of the same turn carries the ACK", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  ours.stream.once("data", () => ours.stream.write("answer"));
  peer.send({ type: TYPE_DATA, seq: 0, body });
  await network.advance(30);
  const answer = peer.packets.find(({ type }) => type & TYPE_DATA);
  expect(answer).toMatchObject({ ack: 1, seq: 0 });
});

test("9.3.4: an ACK for packets never sent is ignored; the data beside it is kept, unconfirmed", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  peer.send({ type: TYPE_DATA, seq: 0, ack: 7, body });
  await network.advance(30);
  expect(ours.received).toBe(1);
  expect(peer.packets).toHaveLength(0);
  peer.send({ type: TYPE_DATA, seq: 0, ack: 0, body });
  await network.advance(30);
  expect(peer.packets.at(-1)).toMatchObject({ ack: 1 });
});

test("9.1.24: an invalid SACK block beside data costs neither the data nor the stream", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  ours.stream.write("outstanding");
  await network.advance(30);
  for (const [start, end] of [
    [4, 4],
    [9, 3],
    [0, 0xffff_ffff],
    [1, 2],
  ] as const) {
    const blocks = sackBlocks([start, end]);
    peer.send({ type: TYPE_SACK, seq: 0, body: blocks });
  }
  const beside = Buffer.concat([sackBlocks([9, 3]), body]);
  peer.send({ type: TYPE_DATA | TYPE_SACK, seq: 0, dataOffset: 8, body: beside });
  peer.send({ type: TYPE_END, seq: 1, ack: 1 });
  await network.advance(50);
  expect(Buffer.concat(ours.chunks).toString()).toBe("x");
  expect(ours.isEnded).toBe(true);
  expect(ours.stream.retransmits).toBe(0);
});

test("9.3.4: a SACKed packet is not sent again, whatever happens to the one before it", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  ours.stream.write(Buffer.alloc(2 * 1152));
  await network.advance(15);
  peer.send({ type: TYPE_SACK, ack: 0, body: sackBlocks([1, 2]) });
  await network.advance(5000);
  const sent = peer.packets.map(({ seq }) => seq);
  expect(sent.filter((seq) => seq === 1)).toHaveLength(1);
  expect(sent.filter((seq) => seq === 0).length).toBeGreaterThan(2);
});

test("9.1.23: a retransmission carries the ACK and the window of the moment", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  ours.stream.write("lost at first");
  await network.advance(20);
  expect(peer.packets[0]).toMatchObject({ seq: 0, ack: 0 });
  ours.stream.pause();
  peer.send({ type: TYPE_DATA, seq: 0, body: Buffer.alloc(1000) });
  await network.advance(1500);
  const again = peer.packets.findLast(({ type }) => type & TYPE_DATA);
  expect(again).toMatchObject({ seq: 0, ack: 1, payload: Buffer.from("lost at first") });
  expect(again?.window).toBe((peer.packets[0]?.window ?? 0) - 1000);
});

test("9.3.5: a peer that never SACKs is served all the same", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  const held = new Set<number>();
  let next = 0;
  let dropped = 0;
  peer.onPacket = ({ type, seq }) => {
    if (!(type & TYPE_DATA)) return;
    if (seq % 5 === 0 && !held.has(-seq - 1)) {
      held.add(-seq - 1);
      dropped++;
    } else {
      held.add(seq);
    }
    while (held.has(next)) next++;
    peer.send({ type: TYPE_ACK, ack: next });
  };
  ours.stream.write(Buffer.alloc(40 * 1152));
  const flushed = ours.stream.flush();
  await network.advance(60_000);
  expect(await flushed).toBe(true);
  expect(dropped).toBeGreaterThan(5);
});

test("9.3.5: every data offset is accepted on padded data", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  const payload = Buffer.from("payload");
  for (let padding = 0; padding <= 255; padding++) {
    const padded = Buffer.concat([Buffer.alloc(padding), payload]);
    peer.send({ type: TYPE_DATA, seq: padding, dataOffset: padding, body: padded });
  }
  await network.advance(50);
  expect(Buffer.concat(ours.chunks).toString()).toBe("payload".repeat(256));
});

test("9.3.4: a data offset beyond the packet drops it whole, without an ACK", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  peer.send({ type: TYPE_DATA, seq: 0, dataOffset: 5, body: Buffer.from("abc") });
  await network.advance(50);
  expect(ours.received).toBe(0);
  expect(peer.packets).toHaveLength(0);
});

test("9.3.4: SACKs of what is acknowledged already, and with a short tail, change nothing", async () => {
  const network = new Network();
  const [ours, peer] = scripted(network);
  ours.stream.write(Buffer.alloc(4 * 1152));
  await network.advance(15);
  peer.send({ type: TYPE_ACK, ack: 2 });
  await network.advance(15);
  const short = sackBlocks([2, 4]).subarray(0, 7);
  for (const body of [sackBlocks([0, 2]), sackBlocks([1, 3]), short]) {
    peer.send({ type: TYPE_SACK, ack: 2, body });
  }
  await network.advance(15);
  expect(ours.stream.inflight).toBe(2);
  peer.send({ type: TYPE_ACK, ack: 4 });
  await network.advance(15);
  expect(await ours.stream.flush()).toBe(true);
});

test("what waits behind a lost packet is not taken out of the window before its own budget is", async () => {
  const network = new Network();
  const [, peer] = scripted(network);
  const payload = Buffer.alloc(1400);
  const free = (REORDER_BYTES_MAX - RECV_WINDOW_MAX) / (payload.length + REORDER_ENTRY_COST);
  const windowAfter = async (from: number, to: number): Promise<number | undefined> => {
    for (let seq = from; seq < to; seq++) peer.send({ type: TYPE_DATA, seq, body: payload });
    await network.advance(30);
    return peer.packets.at(-1)?.window;
  };
  const last = Math.floor(free);
  expect(await windowAfter(1, last)).toBe(RECV_WINDOW_MAX);
  expect(await windowAfter(last, last + 100)).toBeLessThan(RECV_WINDOW_MAX);
  // The lost packet fills the gap: everything goes to the reader, who takes it at once.
  expect(await windowAfter(0, 1)).toBeGreaterThan(0);
  peer.send({ type: TYPE_HEARTBEAT });
  await network.advance(30);
  expect(peer.packets.at(-1)).toMatchObject({ ack: last + 100, window: RECV_WINDOW_MAX });
});
