import { afterEach, expect, test } from "bun:test";
import { bunRuntime, type DatagramBatch } from "../../src/udx/runtime.ts";
import type { SocketOptions, UDXSocket } from "../../src/udx/socket.ts";
import { UDX } from "../../src/udx/udx.ts";
import { next, portOf, side, within } from "./real.ts";

const LOCAL = "127.0.0.1";
const opened: UDXSocket[] = [];

function open(options?: SocketOptions): UDXSocket {
  const socket = new UDX().createSocket(options);
  opened.push(socket);
  return socket;
}

function bound(host: string | null = LOCAL, options?: SocketOptions): UDXSocket {
  const socket = open(options);
  socket.bind(0, host);
  return socket;
}

afterEach(async () => {
  await within(Promise.all(opened.splice(0).map((socket) => socket.close())), "sockets to close");
});

for (const host of [LOCAL, "::1"]) {
  test(`9.2.1, 9.2.3: send and trySend deliver with the sender's address (${host})`, async () => {
    const [a, b] = [bound(host), bound(host)];
    for (const method of ["send", "trySend"] as const) {
      const arrived = next(b, "message");
      void a[method](Buffer.from(method), portOf(b), host);
      const [message, from] = await arrived;
      expect(String(message)).toBe(method);
      expect(from).toEqual({ host, family: host === LOCAL ? 4 : 6, port: portOf(a) });
    }
  });
}

test("9.2.4: an empty message arrives as an empty buffer", async () => {
  const [a, b] = [bound(), bound()];
  for (const method of ["send", "trySend"] as const) {
    const arrived = next(b, "message");
    void a[method](Buffer.alloc(0), portOf(b), LOCAL);
    const [message] = await arrived;
    expect(message).toEqual(Buffer.alloc(0));
  }
});

test("9.2.2, 9.2.18: the address is known when bind returns, and null before", () => {
  const socket = open();
  expect(socket.address()).toBeNull();
  expect(socket.bound).toBe(false);
  socket.bind(0, LOCAL);
  expect(socket.address()).toEqual({ host: LOCAL, family: 4, port: expect.any(Number) });
  expect(portOf(socket)).toBeGreaterThan(0);
});

test("9.1.3, 9.2.5, 9.2.9, 9.2.10: without a host it listens on both families and reports IPv4 peers as such", async () => {
  const [wide, v4] = [bound(null), bound()];
  expect(wide.address()).toMatchObject({ host: "::", family: 6 });
  const there = next(wide, "message");
  v4.trySend(Buffer.from("4 to 6"), portOf(wide), LOCAL);
  expect((await there)[1]).toEqual({ host: LOCAL, family: 4, port: portOf(v4) });
  const back = next(v4, "message");
  wide.trySend(Buffer.from("6 to 4"), portOf(v4), LOCAL);
  expect((await back)[1]).toMatchObject({ port: portOf(wide) });
});

test("9.2.11: ipv6Only hears nothing from IPv4", async () => {
  const only = bound("::", { ipv6Only: true });
  const [v4, v6] = [bound(), bound("::1")];
  const heard: string[] = [];
  only.on("message", (message) => heard.push(message.toString()));
  await v4.send(Buffer.from("four"), portOf(only), LOCAL);
  const arrived = next(only, "message");
  await v6.send(Buffer.from("six"), portOf(only), "::1");
  await arrived;
  expect(heard).toEqual(["six"]);
});

test("9.2.2, 9.2.20: a port is taken once", () => {
  const first = bound();
  expect(() => open().bind(portOf(first), LOCAL)).toThrow(
    expect.objectContaining({ code: "EADDRINUSE" }),
  );
  const wide = bound(null);
  expect(() => open().bind(portOf(wide))).toThrow();
});

test("an address that is not this machine's is refused at once", () => {
  expect(() => open().bind(0, "192.0.2.1")).toThrow(
    expect.objectContaining({ code: "EADDRNOTAVAIL" }),
  );
});

test("9.2.19: binding twice, or after close, is an error", async () => {
  const socket = bound();
  expect(() => socket.bind(0, LOCAL)).toThrow("Already bound");
  const closed = open();
  await closed.close();
  expect(() => closed.bind(0, LOCAL)).toThrow("Socket is closed");
});

test("9.2.15: what is no IP literal is refused everywhere", async () => {
  const bad = "0.-1.0.0";
  const message = `${bad} is not a valid IP address`;
  const { socket, stream } = side(1);
  opened.push(socket);
  expect(() => open().bind(0, bad)).toThrow(message);
  expect(() => stream.connect(socket, 2, 1, bad)).toThrow(message);
  expect(() => socket.trySend(Buffer.alloc(1), 1, bad)).toThrow(message);
  expect(await socket.send(Buffer.alloc(1), 1, bad).catch((error) => error.message)).toBe(message);
  stream.destroy();
});

test("9.2.16: sending binds implicitly", async () => {
  const receiver = bound();
  for (const method of ["send", "trySend"] as const) {
    const sender = open();
    const arrived = next(receiver, "message");
    void sender[method](Buffer.from("x"), portOf(receiver));
    expect((await arrived)[1]).toMatchObject({ port: portOf(sender) });
  }
});

test("9.2.6: 250 messages are echoed in order and every send resolves", async () => {
  const [a, b] = [bound(), bound()];
  b.on("message", (message, from) => b.trySend(message, from.port, from.host));
  const echoes: number[] = [];
  const done = new Promise<void>((resolve) => {
    a.on("message", (message) => {
      echoes.push(message.readUInt32LE());
      if (echoes.length === 250) resolve();
    });
  });
  const results: boolean[] = [];
  for (let i = 0; i < 250; i++) {
    const message = Buffer.alloc(4);
    message.writeUInt32LE(i);
    results.push(await a.send(message, portOf(b), LOCAL));
  }
  await within(done, "250 echoes");
  expect(echoes).toEqual(Array.from({ length: 250 }, (_, i) => i));
  expect(results.every(Boolean)).toBe(true);
});

test("the buffer may be reused as soon as trySend returns", async () => {
  const [a, b] = [bound(), bound()];
  const arrived = next(b, "message");
  const buffer = Buffer.from("first");
  a.trySend(buffer, portOf(b), LOCAL);
  buffer.fill("x");
  expect(String((await arrived)[0])).toBe("first");
});

test("the first datagram of a turn leaves at once, the others together at its end", async () => {
  const batches: string[][] = [];
  const udx = new UDX({
    ...bunRuntime,
    bindUdp(options, events) {
      const handle = bunRuntime.bindUdp(options, events);
      const sendMany = (batch: DatagramBatch): number => {
        batches.push(batch.filter((_, index) => index % 3 === 0).map(String));
        return handle.sendMany(batch);
      };
      return { ...handle, sendMany };
    },
  });
  const [a, b] = [udx.createSocket(), bound()];
  opened.push(a);
  for (const turn of [1, 2]) {
    for (const name of ["one", "two", "three"]) a.trySend(Buffer.from(name), portOf(b), LOCAL);
    expect(batches).toEqual([["one"]]);
    await new Promise((resolve) => setTimeout(resolve, turn));
    expect(batches.splice(0)).toEqual([["one"], ["two", "three"]]);
  }
});

test("9.3.7: a dead port costs the live peer beside it nothing", async () => {
  const [a, live, dead] = [bound(), bound(), bound()];
  const port = portOf(dead);
  await dead.close();
  const heard: number[] = [];
  live.on("message", (message) => heard.push(message.readUInt32LE()));
  for (let i = 0; i < 100; i++) {
    const message = Buffer.alloc(4);
    message.writeUInt32LE(i);
    a.trySend(Buffer.from("nobody home"), port, LOCAL);
    expect(await a.send(message, portOf(live), LOCAL)).toBe(true);
    // The ICMP error of this round comes back before the next.
    if (i % 10 === 0) await Bun.sleep(1);
  }
  const last = next(live, "message");
  a.trySend(Buffer.alloc(4, 0xff), portOf(live), LOCAL);
  await last;
  expect(heard.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test("what the kernel refuses counts as sent, as in udx-native", async () => {
  const socket = bound();
  expect(await socket.send(Buffer.alloc(70_000), portOf(socket), LOCAL)).toBe(true);
  expect(await socket.send(Buffer.alloc(1), 0, LOCAL)).toBe(true);
  expect(await socket.send(Buffer.alloc(1), 9, "::1")).toBe(true);
});

test("9.1.2: a hop limit applies to its datagram and is checked", async () => {
  const [a, b] = [bound(), bound()];
  const heard: string[] = [];
  b.on("message", (message) => heard.push(message.toString()));
  await a.send(Buffer.from("plain"), portOf(b), LOCAL);
  await a.send(Buffer.from("short"), portOf(b), LOCAL, 5);
  const arrived = new Promise<void>((resolve) => {
    b.on("message", () => heard.length === 3 && resolve());
  });
  await a.send(Buffer.from("again"), portOf(b), LOCAL);
  await within(arrived, "three messages");
  expect(heard).toEqual(["plain", "short", "again"]);
  const refusal = await a.send(Buffer.alloc(1), 9, LOCAL, 256).catch((error) => error.code);
  expect(refusal).toBe("EINVAL");
  expect(() => a.setTTL(256)).toThrow();
});

test("9.2.22, 9.2.23: settings need an active socket", () => {
  const socket = open();
  expect(() => socket.setTTL(5)).toThrow("Socket not active");
  expect(() => socket.getRecvBufferSize()).toThrow("Socket not active");
  expect(() => socket.setRecvBufferSize(1)).toThrow("Socket not active");
  expect(() => socket.getSendBufferSize()).toThrow("Socket not active");
  expect(() => socket.setSendBufferSize(1)).toThrow("Socket not active");
  socket.bind(0, LOCAL);
  socket.setTTL(5);
});

test("9.1.3: multicast groups can be joined and left, once each", () => {
  const socket = bound("0.0.0.0");
  const [group, loopback] = ["239.255.77.77", "127.0.0.1"];
  socket.addMembership(group, loopback);
  expect(() => socket.addMembership(group, loopback)).toThrow();
  socket.dropMembership(group, loopback);
  expect(() => socket.dropMembership(group, loopback)).toThrow();
});

test("reuseAddress lets two sockets share a port", () => {
  const first = bound(LOCAL, { reuseAddress: true });
  open({ reuseAddress: true }).bind(portOf(first), LOCAL);
});

test.skipIf(process.platform === "win32")("9.2.23: kernel buffers can be read and raised", () => {
  const socket = bound();
  expect(socket.getRecvBufferSize()).toBeGreaterThan(0);
  const size = socket.getSendBufferSize();
  expect(size).toBeGreaterThan(0);
  socket.setSendBufferSize(100_000);
  expect(socket.getSendBufferSize()).toBeGreaterThanOrEqual(100_000);
});

test("9.2.12, 9.2.13, 9.2.14, 9.2.21: closing twice closes once, and sending afterwards is refused quietly", async () => {
  const [socket, other] = [bound(), bound()];
  let closed = 0;
  socket.on("close", () => closed++);
  const heard: Buffer[] = [];
  other.on("message", (message) => heard.push(message));
  socket.trySend(Buffer.from("last words"), portOf(other), LOCAL);
  const arrived = next(other, "message");
  await Promise.all([socket.close(), socket.close()]);
  await arrived;
  expect(closed).toBe(1);
  expect(await socket.send(Buffer.from("x"), portOf(other), LOCAL)).toBe(false);
  expect(socket.trySend(Buffer.from("x"), portOf(other), LOCAL)).toBeUndefined();
  await Bun.sleep(5);
  expect(heard.map(String)).toEqual(["last words"]);
  expect(socket.address()).not.toBeNull();
});

test("9.2.7: a socket closes only after its last stream", async () => {
  const { socket, stream } = side(1);
  stream.connect(socket, 2, 9, LOCAL);
  const order: string[] = [];
  stream.on("close", () => order.push("stream"));
  const closed = socket.close().then(() => order.push("socket"));
  await Bun.sleep(5);
  expect(order).toEqual([]);
  stream.destroy();
  await within(closed, "socket");
  expect(order).toEqual(["stream", "socket"]);
});

test("9.2.8: sockets open and close in series and together", async () => {
  for (let i = 0; i < 5; i++) await within(bound().close(), "close");
  await within(Promise.all(Array.from({ length: 5 }, () => bound().close())), "close");
});

test("9.2.24: counters are zero before bind and count what comes in", async () => {
  const a = open();
  expect([a.bytesReceived, a.packetsReceived, a.bytesTransmitted, a.packetsTransmitted]).toEqual([
    0, 0, 0, 0,
  ]);
  const b = bound();
  const arrived = next(b, "message");
  a.trySend(Buffer.from("12345"), portOf(b), LOCAL);
  await arrived;
  expect([b.bytesReceived, b.packetsReceived]).toEqual([5, 1]);
  expect([b.udx.bytesReceived, b.udx.packetsReceived]).toEqual([5, 1]);
  // Plain datagrams are not counted on the way out, as in udx-native.
  expect(a.packetsTransmitted).toBe(0);
});
