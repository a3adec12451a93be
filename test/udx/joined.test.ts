import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { encodeHeader, HEADER_SIZE, TYPE_ACK, TYPE_DATA } from "../../src/udx/header.ts";
import { Inbox } from "../../src/udx/inbox.ts";
import { ownBytes, packetSize } from "../../src/udx/joined.ts";
import { Joining } from "../../src/udx/joining.ts";
import { bunRuntime } from "../../src/udx/runtime.ts";
import type { UDXSocket } from "../../src/udx/socket.ts";
import { Network } from "./sim/network.ts";
import { createPair, createStream, connect, exchange, pattern, writeAll } from "./sim/world.ts";

const MEBIBYTE = 1024 * 1024;
const FULL = 1452;

function packet(id: number, size: number, seq = 0): Buffer {
  const datagram = Buffer.alloc(size, 0xff);
  encodeHeader(datagram, 0, size === HEADER_SIZE ? TYPE_ACK : TYPE_DATA, 0, id, 0, seq, 0);
  return datagram;
}

const streams = { isOurs: (id: number): boolean => id === 7 || id === 8 };
const size = (packets: readonly Buffer[]): number => packetSize(Buffer.concat(packets), streams);

describe("the length of joined packets", () => {
  test("is found", () => {
    expect(size([packet(7, FULL), packet(7, FULL), packet(7, 300)])).toBe(FULL);
    expect(size([packet(7, FULL), packet(7, HEADER_SIZE)])).toBe(FULL);
    expect(size([packet(7, 40), packet(8, 40), packet(7, 40)])).toBe(40);
    expect(size([packet(7, HEADER_SIZE), packet(7, HEADER_SIZE)])).toBe(HEADER_SIZE);
  });

  test("is the shortest, whatever of a full packet it is a part of", () => {
    for (const part of [2, 3, 22, 33]) {
      const packets = Array.from({ length: 3 * part }, () => packet(7, FULL / part));
      expect(size(packets)).toBe(FULL / part);
    }
  });

  test("is the datagram's own where it is one", () => {
    for (const length of [HEADER_SIZE, 500, FULL, 2048]) {
      expect(size([packet(7, length)])).toBe(length);
      expect(size([Buffer.alloc(length, 0xff)])).toBe(length);
    }
  });

  test("is found when something else of the peer comes last, behind more than one", () => {
    const other = Buffer.alloc(300, 3);
    expect(size([packet(7, FULL), packet(7, FULL), other])).toBe(FULL);
    expect(size([packet(7, FULL), packet(8, FULL), packet(7, FULL), other])).toBe(FULL);
    // In between it ends what a card joins, so nothing like it comes.
    const between = [packet(7, FULL), packet(7, FULL), Buffer.alloc(FULL, 3), packet(7, FULL)];
    expect(size(between)).toBe(Buffer.concat(between).length);
  });

  test("is not taken from bytes that only look like the beginning of a packet", () => {
    const [first, second] = [packet(7, FULL), packet(7, FULL)];
    // As many bytes of one as a payload may hold by chance, and a whole one of a stranger.
    first.set([0xff, 1, 1, 0], 700);
    first.set(packet(9, HEADER_SIZE), 900);
    expect(size([first, second])).toBe(FULL);
    expect(size([first])).toBe(FULL);
    // One of ours, but nothing begins where the next would.
    first.set(packet(7, HEADER_SIZE), 500);
    expect(size([first, second, packet(7, 90)])).toBe(FULL);
  });
});

test("any packets to any streams are found again, and garbage is never taken for more than it is", () => {
  const body = (sizeBytes: number, fill: Uint8Array): Buffer => {
    const datagram = packet(7, sizeBytes);
    for (let at = HEADER_SIZE; at < sizeBytes && fill.length > 0; at++) {
      datagram[at] = fill[at % fill.length] ?? 0;
    }
    return datagram;
  };
  fc.assert(
    fc.property(
      fc.integer({ min: HEADER_SIZE, max: 1500 }),
      fc.integer({ min: 2, max: 40 }),
      fc.integer({ min: HEADER_SIZE, max: 1500 }),
      // Whatever a payload is made of, the beginning of a packet among it.
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      (length, count, last, fill) => {
        const packets = Array.from({ length: count - 1 }, () => body(length, fill));
        packets.push(body(Math.min(last, length), fill));
        expect(size(packets)).toBe(length);
      },
    ),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4_000 }), (bytes) => {
      expect(size([Buffer.from(bytes)])).toBe(bytes.length);
    }),
    { numRuns: 2_000 },
  );
});

test("what came last is handed on by itself, and what cannot be taken apart is lost and not mistaken", () => {
  const received: Buffer[] = [];
  const joined: number[] = [];
  const udx = {
    isOurs: (id: number): boolean => id === 7,
    receive: (_: unknown, datagram: Buffer) => void received.push(datagram),
    receiveJoined: (...[, datagram, , , length]: [unknown, Buffer, number, string, number]) =>
      void joined.push(datagram.length, length),
  };
  const socket = { udx, packetsReceived: 0, isClosed: false } as unknown as UDXSocket;
  const inbox = new Inbox(socket, () => true);
  const take = (...datagrams: Buffer[]): void =>
    inbox.receive(Buffer.concat(datagrams), 1, "127.0.0.1");
  for (let i = 0; i < 64; i++) take(packet(7, FULL));
  received.length = 0;
  const other = Buffer.alloc(300, 3);
  // One packet and something else: as a packet it would end in the other's bytes.
  take(packet(7, FULL), other);
  take(packet(9, FULL), packet(9, FULL));
  expect([received.length, joined.length]).toEqual([0, 0]);
  take(packet(7, 400), packet(7, 400), other);
  expect(received.map(({ length }) => length)).toEqual([400, 400, 300]);
  expect(received[2]?.equals(other)).toBe(true);
  take(packet(7, FULL), packet(7, FULL), other);
  expect(joined).toEqual([2 * FULL + 300, FULL]);
});

test("bytes that are kept hold no more than themselves", () => {
  const joined = Buffer.concat([packet(7, FULL), packet(7, FULL)]);
  const kept = ownBytes(joined, FULL, 2 * FULL);
  expect(kept.equals(packet(7, FULL))).toBe(true);
  expect(kept.buffer.byteLength).toBe(FULL);
});

describe("the kernel is asked to join", () => {
  function joining(can = true): { joining: Joining; asked: boolean[] } {
    const asked: boolean[] = [];
    return { joining: new Joining((isOn) => asked.push(isOn) > 0 && can), asked };
  }
  const times = (count: number, call: () => void): void => {
    for (let i = 0; i < count; i++) call();
  };

  test("once large datagrams come, until they do no more, and may be again", () => {
    const { joining: it, asked } = joining();
    times(1000, () => it.note(60));
    times(63, () => it.note(FULL));
    expect(asked).toEqual([]);
    expect(it.isPossible).toBe(false);
    it.note(FULL);
    times(20, () => {
      it.note(60_000);
      times(10, () => it.note(60));
    });
    expect(asked).toEqual([true]);
    times(63, () => it.note(60));
    expect(asked).toEqual([true, false]);
    // What was joined before may still come.
    expect(it.isPossible).toBe(true);
    times(64, () => it.note(FULL));
    expect(asked).toEqual([true, false, true]);
  });

  test("not by datagrams of the DHT and packets to strangers, however large", () => {
    const asked: boolean[] = [];
    const received: number[] = [];
    const udx = {
      isOurs: (id: number): boolean => id === 7,
      receive: (_: unknown, { length }: Buffer) => void received.push(length),
    };
    const socket = { udx, packetsReceived: 0, isClosed: false } as unknown as UDXSocket;
    const inbox = new Inbox(socket, (isOn) => asked.push(isOn) > 0);
    times(1000, () => inbox.receive(Buffer.alloc(1400, 3), 1, "127.0.0.1"));
    times(1000, () => inbox.receive(packet(9, 1400), 1, "127.0.0.1"));
    expect(asked).toEqual([]);
    expect(received.length).toBe(2000);
    times(64, () => inbox.receive(packet(7, 1400), 1, "127.0.0.1"));
    expect(asked).toEqual([true]);
  });

  test("once where it cannot", () => {
    const { joining: it, asked } = joining(false);
    times(10, () => {
      times(100, () => it.note(FULL));
      times(100, () => it.note(60));
    });
    expect(asked).toEqual([true]);
    expect(it.isPossible).toBe(false);
  });
});

for (const seed of [1, 2, 3, 4]) {
  test(`delivers both directions intact from a kernel that joins, over loss and duplication (seed ${seed})`, async () => {
    const network = new Network(seed);
    network.joins.isPossible = true;
    network.isUnfragmented = true;
    Object.assign(network.link, { loss: 0.01, duplicate: 0.02, delayMs: 10 });
    const [a, b] = createPair(network);
    const up = pattern(4 * MEBIBYTE);
    const down = pattern(MEBIBYTE / 2 + 17);
    await exchange(network, [a, up], [b, down]);
    expect(network.joins.joined).toBeGreaterThan(100);
    expect(b.stream.packetsReceived).toBeGreaterThan(up.length / 1500);
    expect(b.socket.bytesReceived).toBe(b.udx.bytesReceived);
    expect(b.socket.packetsReceived).toBe(b.udx.packetsReceived);
  });
}

test("messages, small packets and a stream that ends early come as they were sent between joined ones", async () => {
  const network = new Network(1);
  network.joins.isPossible = true;
  const [a, b] = createPair(network);
  const [early, late] = [
    createStream(network, "10.0.0.3", 3),
    createStream(network, "10.0.0.4", 4),
  ];
  connect(early, late);
  const second = b.udx.createStream(5);
  const from = a.udx.createStream(6);
  const [to, back] = [b.socket.address(), a.socket.address()];
  if (to === null || back === null) throw new Error("not bound");
  from.connect(a.socket, 5, to.port, to.host);
  second.connect(b.socket, 6, back.port, back.host);
  second.on("error", () => undefined);
  from.on("error", () => undefined);
  second.on("data", () => second.destroy());
  const data = pattern(MEBIBYTE);
  for (let at = 0; at < data.length; at += 4096) {
    a.stream.write(data.subarray(at, at + 4096));
    if (!from.destroying) from.write(Buffer.alloc(4096, 1));
    a.stream.trySend(Buffer.from(`message ${at}`));
    await network.advance(at < MEBIBYTE / 2 ? 1 : 0);
  }
  a.stream.end();
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
  expect(b.messages.map(String)).toEqual(
    Array.from({ length: 256 }, (_, i) => `message ${i * 4096}`),
  );
  expect(network.joins.joined).toBeGreaterThan(10);
});

test("a relay forwards joined packets one by one", async () => {
  const network = new Network(2);
  network.joins.isPossible = true;
  const [a, b] = [createStream(network, "10.0.0.1", 1), createStream(network, "10.0.0.2", 2)];
  const relay = createStream(network, "10.0.0.9", 11);
  const other = relay.udx.createStream(12);
  const [at, toA, toB] = [relay.socket.address(), a.socket.address(), b.socket.address()];
  if (at === null || toA === null || toB === null) throw new Error("not bound");
  a.stream.connect(a.socket, 11, at.port, at.host);
  b.stream.connect(b.socket, 12, at.port, at.host);
  relay.stream.connect(relay.socket, 1, toA.port, toA.host);
  other.connect(relay.socket, 2, toB.port, toB.host);
  relay.stream.relayTo(other);
  other.relayTo(relay.stream);
  const data = pattern(MEBIBYTE);
  writeAll(a.stream, data);
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
  expect(network.joins.joined).toBeGreaterThan(20);
});

test.if(process.platform === "linux")(
  "Linux joins what was sent in runs, and Bun reads all of it",
  async () => {
    const lengths: number[] = [];
    const options = { host: "127.0.0.1", port: 0, ipv6Only: false, reuseAddress: false };
    const onWritable = (): void => undefined;
    const receiver = bunRuntime.bindUdp(options, {
      onDatagram: (datagram) => void lengths.push(datagram.length),
      onWritable,
    });
    const sender = bunRuntime.bindUdp(options, { onDatagram: () => undefined, onWritable });
    expect(receiver.joinReceived(true)).toBe(true);
    const datagram = packet(7, FULL);
    const batch = Array.from({ length: 40 }, () => [datagram, receiver.port, options.host]).flat();
    const total = (): number => lengths.reduce((sum, length) => sum + length, 0);
    for (let sent = 0; sent < 10; sent++) {
      for (let at = 0; at < batch.length;) at += sender.sendMany(batch.slice(at)) * 3;
      while (total() < (sent + 1) * 40 * FULL) await Bun.sleep(1);
    }
    sender.close();
    receiver.close();
    expect(Math.max(...lengths)).toBe(40 * FULL);
  },
);
