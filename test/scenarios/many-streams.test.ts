import { expect, test } from "bun:test";
import { Network } from "../udx/sim/network.ts";
import { connect, pattern, watch, writeAll } from "../udx/sim/world.ts";
import { UDX } from "../../src/udx/udx.ts";

test("sixteen streams share one socket on each side without mixing", async () => {
  const network = new Network(4);
  Object.assign(network.link, { loss: 0.02, jitterMs: 3 });
  const [left, right] = [new UDX(network.runtime), new UDX(network.runtime)];
  const [a, b] = [left.createSocket(), right.createSocket()];
  a.bind(0, "10.0.0.1");
  b.bind(0, "10.0.0.2");
  const pairs = Array.from({ length: 16 }, (_, i) => {
    const from = watch(left, a, left.createStream(100 + i));
    const to = watch(right, b, right.createStream(200 + i));
    connect(from, to);
    connect(to, from);
    const data = pattern(100_000 + i);
    data[0] = i;
    writeAll(from.stream, data);
    to.stream.end();
    return { from, to, data };
  });
  await network.runUntil(() => pairs.every(({ from, to }) => from.isClosed && to.isClosed));
  for (const { to, data } of pairs) expect(Buffer.concat(to.chunks).equals(data)).toBe(true);
});

test("9.1.7, 9.1.10: twenty small writes of one turn to a sibling on the socket leave in few packets", async () => {
  const network = new Network();
  const udx = new UDX(network.runtime);
  const socket = udx.createSocket();
  socket.bind(0, "10.0.0.1");
  const from = watch(udx, socket, udx.createStream(1));
  const to = watch(udx, socket, udx.createStream(2));
  connect(from, to);
  connect(to, from);
  for (let i = 0; i < 20; i++) from.stream.write(Buffer.alloc(60, i));
  from.stream.end();
  to.stream.end();
  await network.runUntil(() => from.isClosed && to.isClosed);
  expect(to.received).toBe(1200);
  expect(from.stream.packetsTransmitted).toBeLessThan(6);
});
