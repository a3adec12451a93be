/**
 * An update against what is installed: by differences where a provider has the old version too, by a
 * sketch of the old bytes elsewhere; and what becomes of those who lie with either.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Content } from "../../src/content/content.ts";
import { encodePiece } from "../../src/content/piece.ts";
import { ChunkPlan } from "../../src/content/plan.ts";
import { DeltaIndex } from "../../src/content/delta-index.ts";
import { concat, equal } from "../../src/core/bytes.ts";
import { PIECE_MAX_BYTES, PLAIN_PIECE_MAX_BYTES } from "../../src/core/limits.ts";
import { memorySource, type ByteSource } from "../../src/core/source.ts";
import { DeltaCache } from "../../src/swarm/delta-cache.ts";
import type { FetchProgress } from "../../src/swarm/fetch-options.ts";
import { Holdings } from "../../src/swarm/holdings.ts";
import { isContentRequest, type ProviderMessage, type Request } from "../../src/swarm/messages.ts";
import { loadHyperDHT } from "../../src/swarm/node.ts";
import { evilProvider, type Behaviour, type EvilProvider } from "../attacks/evil-provider.ts";
import { fastClock, FakeClock } from "../helpers/clock.ts";
import { noise, type TestRelease } from "../helpers/release.ts";
import { SwarmWorld, type TestGetter } from "../helpers/swarm-world.ts";

const BLOCKS = 64;
const HyperDHTClass = await loadHyperDHT();
let world: SwarmWorld;
/** Installed here. */
let old: TestRelease;
/** A hundred bytes of it are others, in three places. */
let next: TestRelease;
const open: EvilProvider[] = [];

beforeAll(async () => {
  world = await SwarmWorld.create();
  old = world.release({ version: "1.0.0", blocks: BLOCKS, salt: 1 });
  next = changed(100);
});
afterAll(async () => {
  await Promise.all(open.map((peer) => peer.close()));
  await world.destroy();
}, 20_000);

function changed(sizeBytes: number): TestRelease {
  const head = old.bytes.slice();
  for (const at of [300_000, 1_000_000, 3_000_000]) head.set(noise(sizeBytes, 7), at);
  return world.release({ version: "1.0.1", blocks: BLOCKS, head });
}

interface Outcome {
  readonly stream: Uint8Array;
  readonly progress: FetchProgress | undefined;
  readonly code: string | undefined;
}

/** What a copy of `old` does, whose file has `bytes`. */
async function update(getter: TestGetter, wanted = next, bytes = old.bytes): Promise<Outcome> {
  const local: Content = { table: old.table, stream: memorySource(bytes) };
  const stream = new Uint8Array(wanted.bytes.length);
  let progress: FetchProgress | undefined;
  let code: string | undefined;
  try {
    await getter.fetch(wanted.record, {
      local,
      missing: (table) => {
        const plan = new ChunkPlan(table, old.table);
        for (let index = 0; index < table.count; index++) {
          const here = plan.localRangeOf(index);
          if (here === undefined) continue;
          const from = old.bytes.subarray(here.offset, here.offset + here.sizeBytes);
          stream.set(from, table.rangeOf(index).offset);
        }
        return plan.missing;
      },
      onPiece: ({ offset }, bytes) => {
        const expected = wanted.bytes.subarray(offset, offset + bytes.length);
        expect(Buffer.compare(bytes, expected)).toBe(0);
        stream.set(bytes, offset);
      },
      onProgress: (now) => (progress = now),
    });
  } catch (error) {
    code = String(Reflect.get(Object(error), "code"));
  }
  return { stream, progress, code };
}

async function getterOf(...keys: Uint8Array[]): Promise<TestGetter> {
  return world.getter(keys, { clock: fastClock(20) });
}

function expectWhole({ stream, code }: Outcome, wanted = next): void {
  expect(code).toBeUndefined();
  expect(equal(stream, wanted.bytes)).toBe(true);
}

/** The rollback copy of a provider that has updated before. */
const rollbackCopy = () => ({ root: old.table.root, stream: memorySource(old.bytes) });

describe("three hundred changed bytes", () => {
  test("are some hundred bytes from a provider that keeps its predecessor", async () => {
    const provider = await world.provider([next]);
    provider.holdings.addBase(rollbackCopy());
    const outcome = await update(await getterOf(provider.publicKey));
    expectWhole(outcome);
    expect(outcome.progress?.wireBytes).toBeLessThan(800);
    expect(provider.servedBytes()).toBeLessThan(8_000);
  });

  test("and from one that serves both versions", async () => {
    const provider = await world.provider([old, next]);
    const outcome = await update(await getterOf(provider.publicKey));
    expectWhole(outcome);
    expect(outcome.progress?.wireBytes).toBeLessThan(800);
  });

  test("are the blocks they stand in from a provider that never had the old version", async () => {
    const provider = await world.provider([next]);
    const outcome = await update(await getterOf(provider.publicKey));
    expectWhole(outcome);
    // Noise: two blocks of 512 at most around each change, as they are.
    expect(outcome.progress?.wireBytes).toBeLessThan(3_500);
    expect(provider.servedBytes()).toBeLessThan(9_000);
  });

  test("are fetched as they are by a copy that has nothing installed", async () => {
    const provider = await world.provider([next]);
    const stream = await (await getterOf(provider.publicKey)).fetch(next.record);
    expect(equal(stream, next.bytes)).toBe(true);
  });
});

test("a piece whose differences do not fit a frame comes in parts", async () => {
  const large = changed(150_000);
  const provider = await world.provider([large]);
  provider.holdings.addBase(rollbackCopy());
  const outcome = await update(await getterOf(provider.publicKey), large);
  expectWhole(outcome, large);
  expect(outcome.progress?.wireBytes).toBeLessThan(3 * 150_000 + 10_000);
});

test("a rollback copy that is not what its record says is not used, and harms nobody", async () => {
  for (const bytes of [noise(old.bytes.length, 9), new Uint8Array(10), new Uint8Array(0)]) {
    const provider = await world.provider([next]);
    provider.holdings.addBase({ root: old.table.root, stream: memorySource(bytes) });
    expect(provider.holdings.roots).toHaveLength(2);
    const outcome = await update(await getterOf(provider.publicKey));
    expectWhole(outcome);
    expect(provider.holdings.roots).toHaveLength(1);
  }
});

describe("a liar", () => {
  async function liar(behaviour: Behaviour): Promise<EvilProvider> {
    const keys = HyperDHTClass.keyPair();
    const peer = await evilProvider(
      world.net.nodes[0] ?? (await world.net.createNode()),
      keys,
      world.scope,
      next,
      behaviour,
    );
    open.push(peer);
    return peer;
  }

  /** Claims to have our version; answers pieces that are asked for against it with `forge`. */
  function claiming(
    forge: (piece: Uint8Array, request: Request & { type: "piece" }) => Uint8Array,
  ): Behaviour {
    const honest = new Holdings(fastClock(1));
    honest.add(next);
    honest.addBase(rollbackCopy());
    return {
      roots: [next.table.root, old.table.root],
      async onMessage(message, talk) {
        if (!isContentRequest(message)) return false;
        if (message.type === "piece") {
          const { offset, sizeBytes } = next.table.rangeOf(message.first, message.count);
          const piece = next.bytes.subarray(offset, offset + sizeBytes);
          talk.say({ type: "piece", id: message.id, bytes: forge(piece, message) });
          return true;
        }
        const bytes = await honest.answer(message);
        if (typeof bytes === "string") return false;
        const answer: ProviderMessage = { type: message.type, id: message.id, bytes };
        talk.say(answer);
        return true;
      },
    };
  }

  function differences(to: Uint8Array, piece: Uint8Array): Uint8Array {
    const steps = DeltaIndex.inSlices(memorySource(to));
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    return encodePiece(piece, step.value.encode(piece));
  }

  const control = () => claiming((piece) => differences(old.bytes, piece));
  const lies: readonly [string, () => Behaviour][] = [
    [
      "differences that lead elsewhere",
      () =>
        claiming((piece) =>
          differences(
            old.bytes,
            piece.map((byte, i) => (i === 5 ? ~byte : byte)),
          ),
        ),
    ],
    [
      "differences to another version",
      () => claiming((piece) => differences(old.bytes.subarray(100), piece)),
    ],
    [
      "differences that cannot be read",
      () => claiming(() => concat(Uint8Array.of(2), noise(500, 4))),
    ],
    ["nothing but smaller pieces, for ever", () => claiming(() => Uint8Array.of(3))],
  ];

  test("control: the same peer without a lie serves all by itself", async () => {
    const peer = await liar(control());
    const getter = await getterOf(peer.publicKey);
    expectWhole(await update(getter));
    expect(getter.peers.isBanned(peer.id)).toBe(false);
  });

  for (const [name, lie] of lies) {
    test(`is banned: ${name}; an honest peer completes it`, async () => {
      const peer = await liar(lie());
      const alone = await getterOf(peer.publicKey);
      expect((await update(alone)).code).toBe("NO_PROVIDER");
      expect(alone.peers.isBanned(peer.id)).toBe(true);
      const honest = await world.provider([next]);
      expectWhole(await update(await getterOf((await liar(lie())).publicKey, honest.publicKey)));
    }, 20_000);
  }

  test("is banned for differences to a sketch that lead nowhere, at the second time", async () => {
    const unreadable = claiming(() => concat(Uint8Array.of(2), noise(500, 4)));
    const peer = await liar({ ...unreadable, roots: [next.table.root] });
    const getter = await getterOf(peer.publicKey);
    expect((await update(getter)).code).toBe("NO_PROVIDER");
    expect(getter.peers.isBanned(peer.id)).toBe(true);
    expect(peer.visits()).toBe(1);
  }, 20_000);

  test("that knows the old version and never answers is left for one that does not know it", async () => {
    const peer = await liar({
      roots: [next.table.root, old.table.root],
      onMessage: (message) => message.type === "piece",
    });
    const honest = await world.provider([next]);
    expectWhole(await update(await getterOf(peer.publicKey, honest.publicKey)));
  }, 20_000);
});

test("when it is our own file that has changed, nobody is banned for it", async () => {
  const provider = await world.provider([next]);
  provider.holdings.addBase(rollbackCopy());
  const getter = await getterOf(provider.publicKey);
  const damaged = old.bytes.slice();
  for (let at = 0; at < damaged.length; at += 1_000) damaged[at] = (damaged[at] ?? 0) ^ 1;
  const { code } = await update(getter, next, damaged);
  expect(code).toBeUndefined();
  expect(getter.peers.isBanned(Buffer.from(provider.publicKey).toString("hex"))).toBe(false);
});

describe("holdings", () => {
  const piece = (first: number, count: number): Request & { type: "piece" } => ({
    type: "piece",
    id: 0,
    root: next.table.root,
    first,
    count,
    base: old.table.root,
    sketch: new Uint8Array(0),
  });

  test("where nothing is installed pieces are smaller, so that most fit an answer compressed", async () => {
    const sizes: number[] = [];
    const holding = { ...next };
    holding.stream = {
      sizeBytes: next.stream.sizeBytes,
      read: (offset, sizeBytes) => {
        sizes.push(sizeBytes);
        return next.stream.read(offset, sizeBytes);
      },
    };
    const provider = await world.provider([holding]);
    const getter = await getterOf(provider.publicKey);
    expect(await getter.fetch(next.record)).toEqual(next.bytes);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(PLAIN_PIECE_MAX_BYTES);
    // Of chunks of up to 64 KiB: larger than what they are halved to.
    expect(Math.max(...sizes)).toBeGreaterThan(PLAIN_PIECE_MAX_BYTES / 2);
  });

  test("C9: a piece above the limit is out of range, whatever it is asked for against", async () => {
    const holdings = new Holdings(new FakeClock(0));
    holdings.add(next);
    let count = 1;
    while (next.table.rangeOf(0, count + 1).sizeBytes <= PIECE_MAX_BYTES) count++;
    expect(await holdings.answer(piece(0, count + 1))).toBe("out-of-range");
    expect(await holdings.answer(piece(0, count))).toEqual(Uint8Array.of(3));
    expect(await holdings.answer(piece(next.table.count, 1))).toBe("out-of-range");
    expect(await holdings.answer(piece(0xffff_ffff, 0xffff_ffff))).toBe("out-of-range");
  });

  test("differences are made once; the anchors go when nobody has needed them for a minute", async () => {
    const clock = new FakeClock(0);
    const holdings = new Holdings(clock);
    holdings.add(next);
    let reads = 0;
    const stream: ByteSource = {
      sizeBytes: old.bytes.length,
      read: (offset, sizeBytes) => {
        reads++;
        return old.bytes.subarray(offset, offset + sizeBytes);
      },
    };
    holdings.addBase({ root: old.table.root, stream });
    const [index] = new ChunkPlan(next.table, old.table).missing;
    const first = await holdings.answer(piece(index ?? 0, 1));
    expect(first.length).toBeLessThan(500);
    const before = reads;
    expect(await holdings.answer(piece(index ?? 0, 1))).toEqual(first);
    expect(reads).toBe(before);
    await holdings.answer(piece(0, 2));
    const withAnchors = reads - before;
    clock.advance(60_000);
    await holdings.answer(piece(0, 3));
    expect(reads - before - withAnchors).toBeGreaterThan(withAnchors);
    holdings.destroy();
  });
});

test("answers that were kept go when there are too many bytes, the unused ones first", () => {
  const cache = new DeltaCache(100);
  cache.set("a", new Uint8Array(40));
  cache.set("b", new Uint8Array(40));
  expect(cache.get("a")?.length).toBe(40);
  cache.set("c", new Uint8Array(40));
  expect(cache.get("b")).toBeUndefined();
  expect(cache.get("a")?.length).toBe(40);
  cache.set("a", new Uint8Array(60));
  expect(cache.get("c")?.length).toBe(40);
  cache.set("d", new Uint8Array(101));
  for (const key of ["a", "c", "d"]) expect(cache.get(key)).toBeUndefined();
});
