/** Many streams at once over the real loopback. */
import { afterEach, expect, test } from "bun:test";
import { UDX } from "../../src/udx/udx.ts";
import { next, pair, portOf, type Side, within } from "./real.ts";

const LOCAL = "127.0.0.1";
const COUNT = 16;
const opened: Side[] = [];

afterEach(async () => {
  const sides = opened.splice(0);
  for (const { stream } of sides) stream.on("error", () => undefined);
  for (const { stream } of sides) stream.destroy();
  await within(Promise.all(sides.map(({ socket }) => socket.close())), "the sockets to close");
});

/** Sixteen pairs on one socket a side. */
function shared(): [Side, Side][] {
  const [left, right] = [new UDX(), new UDX()];
  const [a, b] = [left.createSocket(), right.createSocket()];
  a.bind(0, LOCAL);
  b.bind(0, LOCAL);
  return Array.from({ length: COUNT }, (_, i) => {
    const from = left.createStream(100 + i);
    const to = right.createStream(200 + i);
    from.connect(a, 200 + i, portOf(b), LOCAL);
    to.connect(b, 100 + i, portOf(a), LOCAL);
    return [
      { udx: left, socket: a, stream: from },
      { udx: right, socket: b, stream: to },
    ];
  });
}

function separate(): [Side, Side][] {
  return Array.from({ length: COUNT }, () => pair());
}

/** Every stream sends bytes of its own, so that one mixed up with another shows. */
async function transferAll(pairs: readonly [Side, Side][], bytes: number): Promise<void> {
  opened.push(...pairs.flat());
  const chunk = 65_536;
  await Promise.all(
    pairs.map(async ([from, to], i) => {
      const sent = new Bun.CryptoHasher("sha256");
      const got = new Bun.CryptoHasher("sha256");
      let received = 0;
      to.stream.on("data", (data) => {
        if (!(data instanceof Buffer)) return;
        got.update(data);
        received += data.length;
      });
      to.stream.end();
      from.stream.resume();
      const ended = next(to.stream, "end");
      for (let left = bytes, part = 0; left > 0; left -= chunk, part++) {
        const data = Buffer.alloc(Math.min(chunk, left), `${i}:${part} `);
        sent.update(data);
        if (!from.stream.write(data)) await next(from.stream, "drain");
      }
      from.stream.end();
      await ended;
      expect(received).toBe(bytes);
      expect(got.digest("hex")).toBe(sent.digest("hex"));
    }),
  );
}

test("9.2.56: 512 KiB on each of sixteen streams that share a socket", async () => {
  await transferAll(shared(), 512 * 1024);
}, 20_000);

test("9.1.11, 9.2.56: 10 MB on each of sixteen streams with sockets of their own", async () => {
  await transferAll(separate(), 10_000_000);
}, 30_000);
