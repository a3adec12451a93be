import { expect, test } from "bun:test";
import { createNode, loadHyperDHT } from "../../src/swarm/node.ts";
import { takeRefusals } from "../helpers/guard.ts";
import dgram from "node:dgram";
import net from "node:net";

// 192.0.2.0/24 is reserved for documentation (RFC 5737): even a missing guard reaches nobody.
const STRANGER = "192.0.2.1";

test("refuses datagrams, connections and requests that leave this machine", async () => {
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1" });
  const datagram = dgram.createSocket("udp4");
  try {
    expect(() => socket.send("x", 9, STRANGER)).toThrow("test guard");
    expect(() => socket.sendMany(["x", 9, "127.0.0.1", "x", 9, STRANGER])).toThrow("test guard");
    expect(() => datagram.send("x", 9, STRANGER)).toThrow("test guard");
    expect(() => net.connect(9, STRANGER)).toThrow("test guard");
    expect(() => net.connect({ port: 9, host: STRANGER })).toThrow("test guard");
    expect(() => Bun.connect({ hostname: STRANGER, port: 9, socket: {} })).toThrow("test guard");
    expect(() => Bun.udpSocket({ connect: { hostname: STRANGER, port: 9 } })).toThrow("test guard");
    expect(() => fetch(`http://${STRANGER}/`)).toThrow("test guard");
    expect(takeRefusals()).toHaveLength(8);
  } finally {
    socket.close();
    datagram.close();
  }
});

test("lets a datagram to this machine pass", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const receiver = await Bun.udpSocket({
    hostname: "127.0.0.1",
    socket: { data: (_socket, bytes) => resolve(bytes.toString()) },
  });
  const sender = await Bun.udpSocket({ hostname: "127.0.0.1" });
  try {
    sender.send("hello", receiver.port, "127.0.0.1");
    expect(await promise).toBe("hello");
  } finally {
    receiver.close();
    sender.close();
  }
}, 5_000);

test("refuses a HyperDHT that would join the public network", async () => {
  const HyperDHT = await loadHyperDHT();
  expect(() => new HyperDHT()).toThrow("test guard");
  expect(() => new HyperDHT({ host: "127.0.0.1" })).toThrow("test guard");
  expect(takeRefusals()).toHaveLength(2);
  expect(
    await createNode({ bootstrap: "public" }).then(
      () => "made",
      () => "refused",
    ),
  ).toBe("refused");
  expect(takeRefusals()).toHaveLength(1);
});

test("lets a HyperDHT with a bootstrap list of its own pass", async () => {
  const node = await createNode({ bootstrap: [], host: "127.0.0.1" });
  expect(node.address()?.host).toBe("127.0.0.1");
  await node.destroy();
});
