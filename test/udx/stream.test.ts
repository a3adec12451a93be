import { afterEach, expect, test } from "bun:test";
import { Readable } from "streamx";
import type { StreamOptions } from "../../src/udx/stream.ts";
import { collect, next, pair, portOf, side, type Side, within } from "./real.ts";

const LOCAL = "127.0.0.1";
const opened: Side[] = [];

function open(host?: string, options?: StreamOptions): [Side, Side] {
  const sides = pair(host, options);
  opened.push(...sides);
  return sides;
}

afterEach(async () => {
  const sides = opened.splice(0);
  for (const { stream } of sides) stream.on("error", () => undefined);
  for (const { stream } of sides) stream.destroy();
  await within(Promise.all(sides.map(({ socket }) => socket.close())), "the sockets to close");
});

for (const host of [LOCAL, "::1"]) {
  test(`9.1.9, 9.2.26, 9.2.32: echo, end, finish and close on both sides (${host})`, async () => {
    const [a, b] = open(host);
    b.stream.on("data", (chunk) => b.stream.write(chunk));
    b.stream.on("end", () => b.stream.end());
    const events = Promise.all(
      [a, b].flatMap(({ stream }) => ["finish", "close"].map((name) => next(stream, name))),
    );
    const echoed = collect(a.stream);
    a.stream.write("hello ");
    a.stream.end(Buffer.from("world"));
    expect((await echoed).toString()).toBe("hello world");
    await events;
  });
}

test("9.2.30, 9.2.46, 9.2.48: connect emits busy on the socket, then connect; close comes after idle", async () => {
  const { socket, stream } = side(1);
  const order: string[] = [];
  socket.on("busy", () => order.push(`busy ${socket.busy}`));
  socket.on("idle", () => order.push(`idle ${socket.idle}`));
  stream.on("connect", () => order.push("connect"));
  stream.on("close", () => order.push("close"));
  expect([stream.localHost, stream.localFamily, stream.localPort]).toEqual([null, 0, 0]);
  stream.connect(socket, 2, 9, LOCAL);
  expect(order).toEqual(["busy true", "connect"]);
  expect([stream.localHost, stream.localFamily, stream.localPort]).toEqual([
    LOCAL,
    4,
    portOf(socket),
  ]);
  stream.destroy();
  await next(stream, "close");
  expect(order).toEqual(["busy true", "connect", "idle true", "close"]);
  expect(stream.remoteHost).toBe(LOCAL);
  expect(stream.socket).toBeNull();
  await socket.close();
});

test("9.2.47: a closing socket does not become idle", async () => {
  const { socket, stream } = side(1);
  stream.connect(socket, 2, 9, LOCAL);
  let idle = 0;
  socket.on("idle", () => idle++);
  const closed = socket.close();
  stream.destroy();
  await within(closed, "close");
  expect(idle).toBe(0);
});

test("connecting twice, badly, or through a closed socket is an error", async () => {
  const [a, b] = open();
  expect(() => a.stream.connect(a.socket, 2, 9, LOCAL)).toThrow("Already connected");
  const lone = side(3);
  opened.push(lone);
  expect(() => lone.stream.connect(lone.socket, 2, 0, LOCAL)).toThrow("0 is not a valid port");
  expect(() => lone.stream.connect(lone.socket, 2, 70_000)).toThrow("not a valid port");
  const closed = b.udx.createSocket();
  await closed.close();
  expect(() => lone.stream.connect(closed, 2, 9, LOCAL)).toThrow("Socket is closed");
  expect(lone.stream.connected).toBe(false);
});

test("9.2.27: flush resolves when the peer has everything", async () => {
  const [a, b] = open();
  let received = 0;
  b.stream.on("data", (chunk) => {
    if (chunk instanceof Buffer) received += chunk.length;
  });
  for (let i = 0; i < 50; i++) a.stream.write(Buffer.alloc(10_000));
  expect(await within(a.stream.flush(), "flush")).toBe(true);
  expect(b.stream.bytesReceived).toBeGreaterThanOrEqual(500_000);
  expect(await within(a.stream.flush(), "flush")).toBe(true);
  await Bun.sleep(1);
  expect(received).toBe(500_000);
});

test("flush resolves false when the stream ends first", async () => {
  const { socket, stream } = side(1);
  stream.connect(socket, 2, 9, LOCAL);
  stream.write("nobody reads this");
  const flushed = stream.flush();
  await Bun.sleep(2);
  stream.destroy();
  expect(await within(flushed, "flush")).toBe(false);
  await socket.close();
});

for (const host of [LOCAL, "::1"]) {
  test(`9.1.8: a message of five bytes arrives once, and its send resolves (${host})`, async () => {
    const [a, b] = open(host);
    const messages: Buffer[] = [];
    b.stream.on("message", (message) => messages.push(message));
    const arrived = next(b.stream, "message");
    expect(await a.stream.send(Buffer.from("hello"))).toBe(true);
    await arrived;
    await Bun.sleep(5);
    expect(messages.map(String)).toEqual(["hello"]);
  });
}

test("9.2.33: ten streams connected to themselves on one socket come and go", async () => {
  const { udx, socket, stream } = side(1);
  stream.destroy();
  const streams = Array.from({ length: 10 }, (_, i) => udx.createStream(10 + i));
  const closed = streams.map((self) => next(self, "close"));
  for (const self of streams) self.connect(socket, self.id, portOf(socket), LOCAL);
  expect(socket.streams.size).toBe(10);
  for (const self of streams) self.destroy();
  await Promise.all(closed);
  await within(socket.close(), "close");
});

test("9.2.31: unordered messages are echoed, empty ones included", async () => {
  const [a, b] = open();
  b.stream.on("message", (message) => b.stream.trySend(message));
  const echoed: string[] = [];
  const done = new Promise<void>((resolve) => {
    a.stream.on("message", (message) => {
      echoed.push(message.toString());
      if (echoed.length === 3) resolve();
    });
  });
  expect(await a.stream.send(Buffer.from("one"))).toBe(true);
  a.stream.trySend(Buffer.alloc(0));
  a.stream.trySend(Buffer.from("three"));
  await within(done, "three echoes");
  expect(echoed.toSorted()).toEqual(["", "one", "three"]);
  b.stream.destroy();
  const [error] = await next(a.stream, "error");
  expect(error).toMatchObject({ code: "ECONNRESET" });
  expect(await a.stream.send(Buffer.from("late"))).toBe(false);
});

test("9.2.41: strings arrive as bytes, and anything else is refused", async () => {
  const [a, b] = open();
  const received = collect(b.stream);
  a.stream.write("grüße ");
  a.stream.end(new Uint8Array([0x21]));
  expect((await received).toString()).toBe("grüße !");
});

test("9.2.36: destroying both streams and closing the socket inside a data handler works", async () => {
  const [a, b] = open();
  const closed = Promise.all([next(a.stream, "close"), next(b.stream, "close")]);
  b.stream.on("data", () => {
    a.stream.destroy();
    b.stream.destroy();
    void a.socket.close();
    void b.socket.close();
  });
  a.stream.write("trigger");
  await closed;
});

test("9.2.40: the socket may be closed in the stream's close handler", async () => {
  const [a, b] = open();
  const sockets = Promise.all([a, b].map(({ socket }) => next(socket, "close")));
  for (const { stream, socket } of [a, b]) {
    stream.on("close", () => void socket.close());
    stream.resume();
    stream.end();
  }
  await sockets;
});

test("9.2.37: ending with an empty buffer, against an end at once, closes both", async () => {
  const [a, b] = open();
  const closed = Promise.all([next(a.stream, "close"), next(b.stream, "close")]);
  a.stream.resume();
  b.stream.resume();
  a.stream.end(Buffer.alloc(0));
  b.stream.end();
  await closed;
});

test("9.2.50: 64 MiB from a fast Readable arrive complete, and back-pressure holds it back", async () => {
  const [a, b] = open();
  const chunk = Buffer.alloc(65_536, 7);
  let produced = 0;
  let aheadMost = 0;
  let received = 0;
  const source = new Readable({
    read(callback) {
      produced += chunk.length;
      aheadMost = Math.max(aheadMost, produced - received);
      this.push(produced <= 64 * 1024 * 1024 ? chunk : null);
      callback(null);
    },
  });
  b.stream.on("data", (data) => {
    if (data instanceof Buffer) received += data.length;
  });
  source.pipe(a.stream);
  await next(b.stream, "end");
  expect(received).toBe(64 * 1024 * 1024);
  expect(aheadMost).toBeLessThan(8 * 1024 * 1024);
});

test("9.2.51: counters of stream, socket and instance agree", async () => {
  const [a, b] = open();
  b.stream.on("data", () => undefined);
  b.stream.on("end", () => b.stream.end());
  a.stream.on("data", () => undefined);
  const closed = Promise.all([next(a.stream, "close"), next(b.stream, "close")]);
  a.stream.end(Buffer.alloc(100_000));
  await closed;
  for (const { stream, socket, udx } of [a, b]) {
    for (const counter of [
      "bytesTransmitted",
      "packetsTransmitted",
      "bytesReceived",
      "packetsReceived",
    ] as const) {
      expect(socket[counter]).toBe(udx[counter]);
      // A repeated END can still arrive after the stream is gone.
      expect(socket[counter]).toBeGreaterThanOrEqual(stream[counter]);
    }
  }
  expect(a.stream.bytesTransmitted).toBeGreaterThan(100_000);
  // The padding of MTU probes is counted where it arrives, not where it is sent.
  expect(b.stream.bytesReceived).toBeGreaterThanOrEqual(a.stream.bytesTransmitted);
  expect(b.stream.packetsReceived).toBe(a.stream.packetsTransmitted);
});

test("9.2.52, 9.2.53: framed, header and body written apart arrive as one chunk; long frames arrive whole", async () => {
  const [a, b] = open(LOCAL, { framed: true });
  const first = next(b.stream, "data");
  a.stream.write(Buffer.from([2, 0, 0]));
  await Bun.sleep(5);
  a.stream.write(Buffer.from([7, 8]));
  expect((await first)[0]).toEqual(Buffer.from([2, 0, 0, 7, 8]));

  const length = 4 * 1024 * 1024;
  const frame = Buffer.alloc(3 + length, 9);
  frame.writeUIntLE(length, 0, 3);
  const rest = collect(b.stream);
  a.stream.end(frame);
  expect((await rest).equals(frame)).toBe(true);
});

test("9.2.54: three frames of any size arrive whole and in order", async () => {
  const [a, b] = open(LOCAL, { framed: true });
  const frames = [1, 5000, 70_000].map((length, i) => {
    const frame = Buffer.alloc(3 + length, i + 1);
    frame.writeUIntLE(length, 0, 3);
    return frame;
  });
  const received = collect(b.stream);
  for (const frame of frames) a.stream.write(frame);
  a.stream.end();
  expect((await received).equals(Buffer.concat(frames))).toBe(true);
});

test("toJSON describes the stream and its socket", () => {
  const [a, b] = open();
  expect(a.stream.toJSON()).toMatchObject({
    id: 1,
    connected: true,
    destroying: false,
    remoteId: 2,
    remoteHost: LOCAL,
    remoteFamily: 4,
    remotePort: portOf(b.socket),
    socket: { bound: true, streams: 1, address: { port: portOf(a.socket) } },
  });
});

test("9.3.8: a blocked event loop costs time, not data", async () => {
  const [a, b] = open();
  const received = collect(b.stream);
  a.stream.end(Buffer.alloc(3_000_000, 5));
  for (let i = 0; i < 4; i++) {
    await Bun.sleep(5);
    Bun.sleepSync(50);
  }
  expect((await within(received, "the data")).length).toBe(3_000_000);
});
