/** How much of itself a provider gives, and to whom, over the real transport. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { CONNECTIONS_IN_MAX, GIVE_WAY_AFTER_MS } from "../../src/core/limits.ts";
import type { Request } from "../../src/swarm/messages.ts";
import { loadHyperDHT } from "../../src/swarm/node.ts";
import { FakeClock } from "../helpers/clock.ts";
import type { TestRelease } from "../helpers/release.ts";
import { openRawClient, SwarmWorld, until, type RawClient } from "../helpers/swarm-world.ts";

const HyperDHT = await loadHyperDHT();
let world: SwarmWorld;
let release: TestRelease;

beforeAll(async () => {
  world = await SwarmWorld.create();
  release = world.release({ version: "1.0.1", blocks: 24 });
});
afterAll(() => world.destroy());

function piece(id: number, first: number): Request & { type: "piece" } {
  const { root } = release.table;
  return { type: "piece", id, root, first, count: 1, base: undefined, sketch: new Uint8Array(0) };
}

/** Asks for chunks without end, as fast as they come. Returns how many bytes it has got. */
function flood(client: RawClient): () => number {
  let id = 0;
  let gotBytes = 0;
  const ask = (): void => client.send(piece(id, id++ % release.table.count));
  client.stream.on("data", ({ length }) => {
    gotBytes += length;
    if (!client.isClosed) ask();
  });
  for (let i = 0; i < 16; i++) ask();
  return () => gotBytes;
}

test("I3t: a provider sends no faster than it may", async () => {
  const bytesPerS = 2_000_000;
  const provider = await world.provider([release], { uploadBytesPerS: bytesPerS });
  const getter = await world.getter([provider.publicKey]);
  const startMs = performance.now();
  expect(await getter.fetch(release.record)).toEqual(release.bytes);
  const seconds = (performance.now() - startMs) / 1000;
  // A quarter of a second's worth may leave at once.
  expect(provider.servedBytes()).toBeGreaterThan(release.bytes.length);
  expect(provider.servedBytes()).toBeLessThan(1.1 * bytesPerS * (seconds + 0.25));
});

test("who finds all places taken is told so, keeps its connection, and gets everything elsewhere", async () => {
  // A rate that is enough for one.
  const slow = await world.provider([release], { uploadBytesPerS: 20_000 });
  const first = await (await world.rawClient(slow.publicKey)).enter();
  first.send(piece(0, 0), piece(1, 1));
  await first.answer("piece");
  const second = await (await world.rawClient(slow.publicKey)).enter();
  second.send(piece(7, 0));
  expect(await second.answer("error")).toEqual({ type: "error", id: 7, reason: "busy" });
  expect(second.isClosed).toBe(false);

  const other = await world.provider([release]);
  const getter = await world.getter([slow.publicKey, other.publicKey]);
  expect(await getter.fetch(release.record)).toEqual(release.bytes);
  expect(getter.peers.isBanned(slow.publicKey.toHex())).toBe(false);
  first.stream.destroy();
  second.stream.destroy();
}, 20_000);

test("D10: beside those who read without end an honest getter has most of the rate", async () => {
  const provider = await world.provider([release], { uploadBytesPerS: 5_000_000 });
  const dht = await world.net.createNode();
  const floods: (() => number)[] = [];
  for (let i = 0; i < 2; i++) {
    const key = HyperDHT.keyPair();
    const client = await openRawClient(dht, provider.publicKey, key, world.scope);
    floods.push(flood(await client.enter()));
    world.onDestroy(() => client.stream.destroy());
  }
  await until(
    () => floods.every((got) => got() > 4_500_000),
    "the floods to have had their part",
    30_000,
  );
  const getter = await world.getter([provider.publicKey]);
  const before = floods.reduce((sum, got) => sum + got(), 0);
  expect(await getter.fetch(release.record)).toEqual(release.bytes);
  const flooded = floods.reduce((sum, got) => sum + got(), 0) - before;
  expect(release.bytes.length).toBeGreaterThan(flooded);
}, 60_000);

test("D10: connections that ask for nothing give way to who would", async () => {
  const clock = new FakeClock(Date.now());
  const provider = await world.provider([release], { clock });
  const dht = await world.net.createNode();
  const open = async (): Promise<RawClient> => {
    const key = HyperDHT.keyPair();
    return (await openRawClient(dht, provider.publicKey, key, world.scope)).enter();
  };
  const idle: RawClient[] = [];
  for (let i = 0; i < CONNECTIONS_IN_MAX; i++) idle.push(await open());
  clock.advance(GIVE_WAY_AFTER_MS);
  const late = await open();
  late.send(piece(1, 2));
  expect((await late.answer("piece")).id).toBe(1);
  expect(provider.provider.connections).toBe(CONNECTIONS_IN_MAX);
  for (const { stream } of [...idle, late]) stream.destroy();
});

test("D10: one who reads on all connections gives some of them to strangers, and gets none back", async () => {
  const provider = await world.provider([release], { uploadBytesPerS: 20_000 });
  const dht = await world.net.createNode();
  const open = async (): Promise<RawClient> => {
    const key = HyperDHT.keyPair();
    return (await openRawClient(dht, provider.publicKey, key, world.scope)).enter();
  };
  const greedy: RawClient[] = [];
  for (let i = 0; i < CONNECTIONS_IN_MAX; i++) greedy.push(await open());
  for (const client of greedy) client.send(...Array.from({ length: 15 }, (_, at) => piece(at, at)));
  await until(() => provider.servedBytes() > 0, "them to be at work");
  // The same socket has none to give to itself.
  expect(await open().catch(() => "refused")).toBe("refused");
  for (const _ of [1, 2]) {
    const stranger = await (await world.rawClient(provider.publicKey)).enter();
    world.onDestroy(() => stranger.stream.destroy());
  }
  await until(() => greedy.filter(({ isClosed }) => isClosed).length === 2, "room to be made");
  expect(provider.provider.connections).toBe(CONNECTIONS_IN_MAX);
  for (const { stream } of greedy) stream.destroy();
}, 30_000);

test("who serves nobody cannot be reached, and hears of newer releases all the same", async () => {
  const provider = await world.swarm();
  provider.serve(release);
  const silent = await world.swarm({ uploadBytesPerS: 0 });
  silent.serve(world.release({ version: "1.0.0", publishedS: 1 }));
  expect(silent.newest?.record.version.text).toBe("1.0.0");
  for (let look = 0; look < 50 && silent.newest?.record.version.text !== "1.0.1"; look++) {
    await provider.discover();
    await silent.discover();
  }
  expect(silent.newest?.record.version.text).toBe("1.0.1");
  const dht = await world.net.createNode();
  const reached = dht.connect(provider.publicKey);
  reached.on("error", () => undefined);
  expect(await reached.opened).toBe(true);
  const refused = dht.connect(silent.publicKey);
  refused.on("error", () => undefined);
  expect(await refused.opened).toBe(false);
  reached.destroy();
}, 60_000);
