/** The judge of compatibility: real udx-native under Node at the other end. */
import { afterEach, expect, test } from "bun:test";
import { NativePeer, type NativeSettings } from "./peers/native.ts";
import { collect, next, portOf, type Side, side, within } from "./real.ts";

const LOCAL = "127.0.0.1";
const MEBIBYTE = 1024 * 1024;
const NATIVE_ID = 22;

const opened: Side[] = [];
const peers: NativePeer[] = [];

async function connected(
  mode: NativeSettings["mode"],
  settings: { bytes?: number; chunkSize?: number; host?: string } = {},
): Promise<{ ours: Side; native: NativePeer }> {
  const host = settings.host ?? LOCAL;
  const ours = side(11, host);
  const native = new NativePeer({
    mode,
    id: NATIVE_ID,
    remoteId: 11,
    remotePort: portOf(ours.socket),
    ...settings,
    host,
  });
  opened.push(ours);
  peers.push(native);
  ours.stream.connect(ours.socket, NATIVE_ID, await native.port(), host);
  return { ours, native };
}

afterEach(async () => {
  const sides = opened.splice(0);
  for (const { stream } of sides) stream.on("error", () => undefined);
  for (const { stream } of sides) stream.destroy();
  await within(Promise.all(sides.map(({ socket }) => socket.close())), "the sockets to close");
  for (const peer of peers.splice(0)) await peer.stop();
});

function sha256(data: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(data).digest("hex");
}

for (const [chunkSize, host] of [
  [65_536, LOCAL],
  [1000, LOCAL],
  [65_536, "::1"],
] as const) {
  test(`9.3.5: 24 MiB from udx-native, acknowledged in batches, in writes of ${chunkSize}, over ${host}`, async () => {
    const { ours, native } = await connected("send", { bytes: 24 * MEBIBYTE, chunkSize, host });
    const closed = next(ours.stream, "close");
    ours.stream.on("end", () => ours.stream.end());
    const received = collect(ours.stream);
    native.start();
    const data = await received;
    expect(data.length).toBe(24 * MEBIBYTE);
    expect(sha256(data)).toBe(String((await native.event("sent"))["hash"]));
    await closed;
    await native.event("close");
  }, 20_000);
}

for (const host of [LOCAL, "::1"]) {
  test(`24 MiB to udx-native, over ${host}`, async () => {
    const { ours, native } = await connected("receive", { host });
    const data = Buffer.alloc(24 * MEBIBYTE);
    for (let i = 0; i < data.length; i += 4)
      data.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i);
    ours.stream.resume();
    const closed = next(ours.stream, "close");
    ours.stream.end(data);
    const end = await native.event("end");
    expect(end["received"]).toBe(data.length);
    expect(end["hash"]).toBe(sha256(data));
    await closed;
    await native.event("close");
  }, 20_000);
}

test("4 MiB echoed by udx-native, with traffic in both directions at once", async () => {
  const { ours, native } = await connected("echo");
  const data = Buffer.alloc(4 * MEBIBYTE, "echo echo ");
  const echoed = collect(ours.stream);
  ours.stream.end(data);
  expect((await echoed).equals(data)).toBe(true);
  await native.event("close");
}, 20_000);

test("messages cross in both directions, the empty one too", async () => {
  const { ours } = await connected("receive");
  for (const text of ["a message", ""]) {
    const echoed = next(ours.stream, "message");
    ours.stream.trySend(Buffer.from(text));
    expect(String((await echoed)[0])).toBe(text);
  }
});

test("our destroy resets udx-native, its destroy resets us", async () => {
  const first = await connected("receive");
  first.ours.stream.destroy();
  expect(await first.native.event("error")).toMatchObject({ code: "ECONNRESET" });

  const second = await connected("destroy");
  const failed = next(second.ours.stream, "error");
  second.native.start();
  expect((await failed)[0]).toMatchObject({ code: "ECONNRESET" });
});

test("heartbeats are answered by udx-native", async () => {
  const { ours } = await connected("receive");
  ours.stream.setKeepalive(5);
  const until = performance.now() + 3000;
  while (ours.stream.packetsReceived < 5 && performance.now() < until) await Bun.sleep(5);
  expect(ours.stream.packetsReceived).toBeGreaterThanOrEqual(5);
});
