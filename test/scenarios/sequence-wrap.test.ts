import { expect, test } from "bun:test";
import { Network } from "../udx/sim/network.ts";
import { connect, createStream, pattern, writeAll } from "../udx/sim/world.ts";

for (const back of [1, 5, 100]) {
  test(`9.2.45: data crosses the wrap ${back} packets after the start, with losses`, async () => {
    const network = new Network(back);
    Object.assign(network.link, { loss: 0.1, jitterMs: 10 });
    const seq = 2 ** 32 - back;
    const a = createStream(network, "10.0.0.1", 1, { seq });
    const b = createStream(network, "10.0.0.2", 2);
    const port = a.socket.address()?.port ?? 0;
    connect(a, b);
    b.stream.connect(b.socket, 1, port, "10.0.0.1", { ack: seq });
    const data = pattern(300_000);
    writeAll(a.stream, data);
    b.stream.end();
    await network.runUntil(() => a.isClosed && b.isClosed);
    expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
    expect(a.error).toBeNull();
    expect(b.error).toBeNull();
  });
}

test("the ack may also be given in place of the host", async () => {
  const network = new Network();
  const seq = 2 ** 32 - 5;
  const a = createStream(network, "127.0.0.1", 1, { seq });
  const b = createStream(network, "127.0.0.1", 2);
  connect(a, b);
  b.stream.connect(b.socket, 1, a.socket.address()?.port ?? 0, { ack: seq });
  writeAll(a.stream, pattern(15_000));
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(Buffer.concat(b.chunks).equals(pattern(15_000))).toBe(true);
});
