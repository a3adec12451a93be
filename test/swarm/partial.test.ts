/** Copies that are still fetching a release give to one another what they have of it. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { encodePiece } from "../../src/content/piece.ts";
import type { PieceStore } from "../../src/content/piece-store.ts";
import { systemClock } from "../../src/core/clock.ts";
import { CONNECTIONS_OUT_MAX } from "../../src/core/limits.ts";
import { memorySource, type ByteSource } from "../../src/core/source.ts";
import { asContentRoot } from "../../src/core/brand.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import { Have } from "../../src/swarm/have.ts";
import { Holdings } from "../../src/swarm/holdings.ts";
import type { Swarm } from "../../src/swarm/swarm.ts";
import { ChunkTable } from "../../src/content/table.ts";
import type { TestRelease } from "../helpers/release.ts";
import { SwarmWorld, until } from "../helpers/swarm-world.ts";

let world: SwarmWorld;
let release: TestRelease;

beforeEach(async () => {
  world = await SwarmWorld.create();
  release = world.release({ version: "1.0.1", blocks: 48 });
});
afterEach(() => world.destroy());

/** Fetches everything, gives what is written to others, and resolves with the stream. */
async function fetchAll(swarm: Swarm, isShared = true): Promise<Uint8Array> {
  const out = new Uint8Array(release.bytes.length);
  await swarm.fetch(release.record, {
    checkRegion: (region) => void checkRegion(world.owner, region, release.record),
    missing: ({ count }) => Array.from({ length: count }, (_, index) => index),
    onPiece: ({ offset }, bytes) => out.set(bytes, offset),
    ...(isShared ? { written: () => ({ stream: memorySource(out), chunks: [] }) } : {}),
  });
  return out;
}

/** Bytes that the only whole provider has sent until all getters had everything. */
async function sentFor(getters: number, isShared: boolean): Promise<number> {
  let sentBytes = 0;
  const source = await world.swarm({
    uploadBytesPerS: 1_500_000,
    onServed: (sizeBytes) => (sentBytes += sizeBytes),
  });
  source.serve(release);
  await source.discover();
  const swarms = await Promise.all(Array.from({ length: getters }, () => world.swarm()));
  const streams = await Promise.all(swarms.map((swarm) => fetchAll(swarm, isShared)));
  for (const stream of streams) expect(Buffer.compare(stream, release.bytes)).toBe(0);
  return sentBytes;
}

test("four getters of one slow provider feed each other: it sends the release far less than four times", async () => {
  const sentBytes = await sentFor(4, true);
  expect(sentBytes).toBeLessThan(2.5 * release.bytes.length);
}, 30_000);

test("control: without it, the provider sends everything to each of them", async () => {
  const sentBytes = await sentFor(2, false);
  expect(sentBytes).toBeGreaterThan(1.9 * release.bytes.length);
}, 30_000);

/** A provider that has some chunks, and is told of to who follows. */
async function partialProvider(chunks: readonly number[]) {
  const provider = await world.provider([]);
  const have = new Have(release.table.count);
  for (const chunk of chunks) have.add(chunk);
  provider.holdings.setPartial({ table: release.table, stream: release.stream, have });
  return { provider, have };
}

test("who has a part is asked for that part alone; the rest comes from who has all", async () => {
  const chunks = Array.from({ length: 30 }, (_, index) => 2 * index);
  const { provider } = await partialProvider(chunks);
  const whole = await world.provider([release]);
  const getter = await world.getter([provider.publicKey]);
  const fetching = getter.fetch(release.record);
  // The other one would be enough, were it met first.
  await until(() => provider.provider.connections > 0, "to be met");
  getter.peers.add(whole.publicKey, []);
  expect(Buffer.compare(await fetching, release.bytes)).toBe(0);
  expect(provider.servedBytes()).toBeGreaterThan(0);
  for (const { publicKey } of [provider, whole]) {
    expect(getter.peers.isBanned(publicKey.toHex())).toBe(false);
  }
});

test("without a manifest, those who have a part do not take all places: who has all of it is met in time", async () => {
  const parts = await Promise.all(
    Array.from({ length: CONNECTIONS_OUT_MAX }, () => partialProvider([1])),
  );
  const getter = await world.getter(parts.map(({ provider }) => provider.publicKey));
  const fetching = getter.fetch(release.record);
  const connected = (): number =>
    parts.reduce((sum, { provider }) => sum + provider.provider.connections, 0);
  await until(() => connected() >= CONNECTIONS_OUT_MAX - 4, "most places to be taken");
  let most = 0;
  const untilMs = performance.now() + 1_500;
  while (performance.now() < untilMs) {
    most = Math.max(most, connected());
    await Bun.sleep(5);
  }
  // One is closed when it has said what it has.
  expect(most).toBeLessThan(CONNECTIONS_OUT_MAX);
  const whole = await world.provider([release]);
  getter.peers.add(whole.publicKey, []);
  expect(Buffer.compare(await fetching, release.bytes)).toBe(0);
  for (const { provider } of parts) {
    expect(getter.peers.isBanned(provider.publicKey.toHex())).toBe(false);
  }
}, 30_000);

test("who has nothing of it is left, and not blamed", async () => {
  const { provider } = await partialProvider([]);
  const whole = await world.provider([release]);
  const getter = await world.getter([provider.publicKey, whole.publicKey]);
  await getter.fetch(release.record);
  expect(provider.servedBytes()).toBe(0);
  expect(getter.peers.isBanned(provider.publicKey.toHex())).toBe(false);
});

test("pieces are passed on as they came, when somebody follows: nothing is read and compressed again", async () => {
  const holdings = new Holdings(systemClock);
  const { table, record } = release;
  const { root } = record.record;
  const have = new Have(table.count);
  have.add(3);
  const unreadable: ByteSource = {
    sizeBytes: release.bytes.length,
    read: () => {
      throw new Error("a read");
    },
  };
  holdings.setPartial({ table, stream: unreadable, have });
  const { offset, sizeBytes } = table.rangeOf(3);
  const coded = encodePiece(release.stream.read(offset, sizeBytes));
  const piece = { first: 3, count: 1 };
  const request = {
    type: "piece",
    id: 1,
    root,
    base: undefined,
    sketch: new Uint8Array(0),
  } as const;
  holdings.remember(undefined, root, piece, coded);
  expect(await holdings.answer({ ...request, ...piece })).toBe("unavailable");
  expect(holdings.partOf(root)?.has(3)).toBe(true);
  holdings.remember(undefined, root, piece, coded);
  expect(await holdings.answer({ ...request, ...piece })).toEqual(coded);
  // Whose `base` it does not have as a difference gets it plain, as from anybody else.
  expect(
    await holdings.answer({ ...request, ...piece, base: asContentRoot(new Uint8Array(32)) }),
  ).toEqual(coded);
  holdings.destroy();
});

test("pieces for those who follow are kept where there is room, from the first follower to the end of the download", async () => {
  const { table, record, bytes } = release;
  const { root } = record.record;
  const have = new Have(table.count);
  for (const chunk of [3, 4]) have.add(chunk);
  let reads = 0;
  const stream: ByteSource = {
    sizeBytes: bytes.length,
    read: (offset, sizeBytes) => {
      reads++;
      return release.stream.read(offset, sizeBytes);
    },
  };
  const log: string[] = [];
  const kept = new Map<number, Uint8Array>();
  const keepCoded = (): PieceStore => {
    log.push("opened");
    return {
      get: ({ first }) => kept.get(first)?.slice(),
      set: ({ first }, coded) => void kept.set(first, coded.slice()),
      close: () => void log.push("closed"),
    };
  };
  const codedOf = (first: number): Uint8Array => {
    const { offset, sizeBytes } = table.rangeOf(first);
    return encodePiece(release.stream.read(offset, sizeBytes));
  };
  const ask = (holdings: Holdings, first: number) =>
    holdings.answer({
      type: "piece",
      id: 1,
      root,
      first,
      count: 1,
      base: undefined,
      sketch: new Uint8Array(0),
    });
  const holdings = new Holdings(systemClock);
  holdings.setPartial({ table, stream, have, keepCoded });
  holdings.remember(undefined, root, { first: 3, count: 1 }, codedOf(3));
  expect(log).toEqual([]);
  for (let follower = 0; follower < 2; follower++) holdings.partOf(root);
  expect(log).toEqual(["opened"]);
  holdings.remember(undefined, root, { first: 3, count: 1 }, codedOf(3));
  expect(await ask(holdings, 3)).toEqual(codedOf(3));
  expect(reads).toBe(0);
  // What came before anybody followed is compressed once.
  for (let time = 0; time < 2; time++) expect(await ask(holdings, 4)).toEqual(codedOf(4));
  expect(reads).toBe(1);
  // A difference is of use to few: it does not take that room.
  const base = asContentRoot(new Uint8Array(32));
  holdings.remember(base, root, { first: 5, count: 1 }, codedOf(5));
  expect([...kept.keys()]).toEqual([3, 4]);
  holdings.setPartial(undefined);
  expect(log).toEqual(["opened", "closed"]);
  holdings.setPartial({ table, stream, have, keepCoded });
  holdings.partOf(root);
  holdings.destroy();
  expect(log).toEqual(["opened", "closed", "opened", "closed"]);
});

test("a part gives no region and no table, and no chunk that it has not", async () => {
  const { provider, have } = await partialProvider([8, 9]);
  const client = await (await world.rawClient(provider.publicKey)).enter();
  const { root } = release.record.record;
  const piece = { type: "piece", root, count: 1, base: undefined } as const;
  const sketch = new Uint8Array(0);
  client.send({ type: "follow", root });
  const first = await client.answer("have");
  expect([first.first, ...first.bits]).toEqual([8, 3]);
  client.send(
    { type: "region", id: 1, root },
    { type: "table", id: 2, root, first: 0, base: undefined, listed: sketch },
  );
  client.send(
    { ...piece, id: 3, first: 7, sketch },
    { ...piece, id: 4, first: 8, count: 3, sketch },
  );
  client.send({ ...piece, id: 5, first: 8, count: 2, sketch });
  await client.answer("piece");
  const refused = client.frames.filter((frame) => frame.type === "error");
  expect(refused.map(({ id, reason }) => [id, reason])).toEqual(
    [1, 2, 3, 4].map((id) => [id, "not-held"]),
  );
  // What is added is told within a second or so, and nothing else.
  have.add(20);
  await until(() => client.frames.filter(({ type }) => type === "have").length === 2, "news");
  const news = client.frames.filter((frame) => frame.type === "have").at(-1);
  expect([news?.first, ...(news?.bits ?? [])]).toEqual([16, 16]);
});

test("C7: following twice, and telling of what nobody has asked for, close the connection", async () => {
  const { provider } = await partialProvider([1]);
  const client = await (await world.rawClient(provider.publicKey)).enter();
  const { root } = release.record.record;
  client.send({ type: "follow", root }, { type: "follow", root });
  await client.dropped;
  const other = asContentRoot(ChunkTable.ofStream(memorySource(new Uint8Array(99))).root);
  const late = await (await world.rawClient(provider.publicKey)).enter();
  late.send({ type: "follow", root: other });
  const answer = await late.answer("have");
  expect(answer.bits.length).toBe(0);
});
