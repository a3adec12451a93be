import { describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { MAGIC, VERSION } from "../../src/udx/header.ts";
import type { DatagramBatch } from "../../src/udx/runtime.ts";
import { loadSegmentCalls, type SegmentCalls } from "../../src/udx/segment-message.ts";
import { Segments } from "../../src/udx/segments.ts";
import { collect, pair, within } from "./real.ts";

const HOST = "127.0.0.1";
const isLinux = process.platform === "linux";

/** `sizes` packets that differ, to one address. */
function datagrams(sizes: readonly number[], port = 9, host = HOST): (Buffer | number | string)[] {
  return sizes.flatMap((size, i) => {
    const datagram = Buffer.alloc(size, i + 1);
    datagram.set([MAGIC, VERSION].slice(0, size));
    return [datagram, port, host];
  });
}

const many = (count: number, size = 1200): number[] => Array.from({ length: count }, () => size);

/** Sends a whole batch as the outbox does, part by part. */
function sendAll(segments: Segments, batch: DatagramBatch): number {
  let at = 0;
  let calls = 0;
  while (at < batch.length && calls++ < 1000) at += segments.send(batch.slice(at)) * 3;
  return at / 3;
}

/** Segments on a kernel that answers as told, past the first datagrams that decide whether to load. */
function simulated(answer: (count: number) => boolean, ordinary = (count: number) => count) {
  const log = { runs: [] as number[], ordinary: [] as number[], loads: 0 };
  const calls: SegmentCalls = {
    sendMessage(_fd, message) {
      const count = message[6] ?? 0;
      log.runs.push(count);
      return answer(count) ? count * 1200 : -1;
    },
    hasSegments: () => true,
    parseAddress: () => true,
  };
  const segments = new Segments(
    1,
    4,
    (batch) => {
      const count = ordinary(batch.length / 3);
      log.ordinary.push(count);
      return count;
    },
    () => {
      log.loads++;
      return calls;
    },
  );
  return { segments, log };
}

test("datagrams that are no packets go one by one: joined, nobody could take them apart again", () => {
  const { segments, log } = simulated(() => true);
  for (let i = 0; i < 10; i++) sendAll(segments, datagrams(many(40)));
  const runs = log.runs.length;
  expect(runs).toBeGreaterThan(0);
  const others = many(40).flatMap((size) => [Buffer.alloc(size, 3), 9, HOST]);
  expect(sendAll(segments, others)).toBe(40);
  expect(log.runs.length).toBe(runs);
  // Between packets, too.
  const [packet] = datagrams([1200]);
  sendAll(segments, [...datagrams(many(4)), ...others.slice(0, 15), packet ?? 0, 9, HOST]);
  expect(log.runs.slice(runs)).toEqual([4]);
});

test("loads nothing before there was a lot to send, and then once", () => {
  const { segments, log } = simulated(() => true);
  for (let i = 0; i < 6; i++) sendAll(segments, datagrams(many(40)));
  expect(log.loads).toBe(0);
  // Single packets and ACKs are no reason.
  for (let i = 0; i < 1000; i++) sendAll(segments, datagrams([20]));
  expect(log.loads).toBe(0);
  for (let i = 0; i < 6; i++) sendAll(segments, datagrams(many(40)));
  expect(log.loads).toBe(1);
  expect(log.runs).toEqual(many(6, 40));
});

describe("a run", () => {
  function runs(batch: DatagramBatch): { runs: number[]; ordinary: number[] } {
    const { segments, log } = simulated(() => true);
    for (let i = 0; i < 7; i++) sendAll(segments, datagrams(many(40)));
    log.runs = [];
    log.ordinary = [];
    expect(sendAll(segments, batch)).toBe(batch.length / 3);
    return { runs: log.runs, ordinary: log.ordinary };
  }

  test("is one size and one address; a shorter datagram ends it", () => {
    const full = many(5);
    expect(runs([...datagrams(full), ...datagrams(full, 10)]).runs).toEqual([5, 5]);
    expect(runs([...datagrams(full), ...datagrams(full, 9, "127.0.0.2")]).runs).toEqual([5, 5]);
    expect(runs(datagrams([...full, 1199, ...full])).runs).toEqual([6, 5]);
  });

  test("leaves probes, ACKs and empty datagrams to the ordinary way, in order", () => {
    const full = many(5);
    expect(runs(datagrams([20, 20, ...full, 1452, ...full, 0]))).toEqual({
      runs: [5, 5],
      ordinary: [2, 1, 1],
    });
    expect(runs(datagrams([1200, 1200, 1200]))).toEqual({ runs: [], ordinary: [3] });
  });

  test("fits one packet of the kernel's", () => {
    expect(runs(datagrams(many(100))).runs).toEqual([54, 46]);
    expect(runs(datagrams(many(100, 100))).runs).toEqual([64, 36]);
  });
});

test("who refuses is asked three times; everything goes once, the ordinary way", () => {
  const { segments, log } = simulated(() => false);
  for (let i = 0; i < 20; i++) expect(sendAll(segments, datagrams(many(40)))).toBe(40);
  expect(log.runs).toEqual([40, 40, 40]);
  expect(log.ordinary.reduce((sum, count) => sum + count)).toBe(800);
});

test("a full kernel is not one that refuses", () => {
  let isFull = false;
  const { segments, log } = simulated(
    () => !isFull,
    (count) => (isFull ? 0 : count),
  );
  for (let i = 0; i < 7; i++) sendAll(segments, datagrams(many(40)));
  isFull = true;
  for (let i = 0; i < 10; i++) expect(segments.send(datagrams(many(40)))).toBe(0);
  isFull = false;
  log.runs = [];
  expect(sendAll(segments, datagrams(many(40)))).toBe(40);
  expect(log.runs).toEqual([40]);
});

test("a kernel that has no segments is never given a run: it would send one datagram", () => {
  let sent = 0;
  const calls: SegmentCalls = {
    sendMessage: () => expect.unreachable(),
    hasSegments: () => false,
    parseAddress: () => true,
  };
  const ordinary = (batch: DatagramBatch): number => {
    sent += batch.length / 3;
    return batch.length / 3;
  };
  for (const found of [calls, null]) {
    const segments = new Segments(1, 4, ordinary, () => found);
    for (let i = 0; i < 20; i++) sendAll(segments, datagrams(many(40)));
  }
  expect(sent).toBe(1600);
});

describe.if(isLinux)("on real sockets", () => {
  for (const [from, to] of [
    [HOST, HOST],
    ["::1", "::1"],
    ["::", HOST],
  ] as const) {
    test(`datagrams arrive as they were sent (${from} → ${to})`, async () => {
      const arrived: string[] = [];
      const done = Promise.withResolvers<void>();
      const sizes = [...many(480, 1300), 20, 20, 1452, ...many(50, 1300), 700, ...many(10, 100)];
      const receiver = await Bun.udpSocket({
        hostname: to,
        port: 0,
        socket: {
          data(_socket, datagram: Buffer) {
            arrived.push(datagram.toString("base64"));
            if (arrived.length === sizes.length) done.resolve();
          },
        },
      });
      const sender = await Bun.udpSocket({ hostname: from, port: 0 });
      const { fd } = sender as unknown as { fd: number };
      let messages = 0;
      const load = (): SegmentCalls | null => {
        const calls = loadSegmentCalls();
        if (calls === null) return null;
        return {
          ...calls,
          sendMessage(...args) {
            const sent = calls.sendMessage(...args);
            if (sent > 0) messages++;
            return sent;
          },
        };
      };
      const family = from.includes(":") ? 6 : 4;
      const segments = new Segments(fd, family, (batch) => sender.sendMany([...batch]), load);
      const beginning = Buffer.from([MAGIC, VERSION]);
      const payloads = sizes.map((size) => Buffer.concat([beginning, randomBytes(size - 2)]));
      // In parts, so that what a receive buffer holds is not what is tested.
      for (let i = 0; i < payloads.length; i += 60) {
        const part = payloads.slice(i, i + 60);
        sendAll(
          segments,
          part.flatMap((payload) => [payload, receiver.port, to]),
        );
        await Bun.sleep(5);
      }
      await within(done.promise, "all datagrams");
      expect(arrived).toEqual(payloads.map((payload) => payload.toString("base64")));
      expect(messages).toBeGreaterThan(2);
      sender.close();
      receiver.close();
    });
  }

  test("a stream that sends 8 MB delivers them", async () => {
    for (const host of [HOST, "::1"]) {
      const [a, b] = pair(host);
      const data = randomBytes(8_000_000);
      const received = collect(b.stream);
      b.stream.end();
      a.stream.end(data);
      const digest = (bytes: Uint8Array): string =>
        createHash("sha256").update(bytes).digest("hex");
      expect(digest(await received)).toBe(digest(data));
      await Promise.all([a.socket.close(), b.socket.close()]);
    }
  });
});
