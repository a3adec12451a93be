/** DHT nodes that lie about the record: what they hold is put there behind HyperDHT's own checks. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type HyperDHT from "@hyperswarm/dht";
import { concat, toHex } from "../../src/core/bytes.ts";
import { blake2b256 } from "../../src/core/hash.ts";
import { generateSeed } from "../../src/core/keys.ts";
import { compactUint, type VerifiedRecord } from "../../src/core/release-record.ts";
import { targetPublicKey } from "../../src/core/target-key.ts";
import { decodeMutable } from "../../src/swarm/mutable.ts";
import { FakeClock } from "../helpers/clock.ts";
import { APP, makeRelease, type TestRelease } from "../helpers/release.ts";
import { SwarmWorld } from "../helpers/swarm-world.ts";
import { bent } from "./evil-provider.ts";

const NODES = 5;
const NOW_S = Math.floor(Date.now() / 1000);
let world: SwarmWorld;
let release: TestRelease;

beforeEach(async () => {
  world = await SwarmWorld.create(NODES);
  release = world.release({ version: "1.0.1", blocks: 1, publishedS: NOW_S });
});
afterEach(() => world.destroy());

interface Stored {
  readonly seq: number;
  readonly value: Uint8Array;
  readonly signature: Uint8Array;
}

const stored = ({ record, bytes, signature }: VerifiedRecord): Stored => ({
  seq: record.publishedS,
  value: bytes,
  signature,
});

interface Persistent {
  mutables: { set(key: string, value: Uint8Array): void; get(key: string): Uint8Array | null };
  onmutableget: (request: { reply(value: null): void }) => void;
  onmutableput: (request: { reply(value: null): void }) => void;
}

const persistent = (node: HyperDHT): Persistent => Reflect.get(node, "_persistent") as Persistent;
const key = (): string => toHex(blake2b256(targetPublicKey(world.owner, APP)));

/** Those that store records: not the first one, which nobody has told its address. */
const nodes = (): HyperDHT[] =>
  world.net.nodes.filter((node) => Reflect.get(node, "_persistent") !== null);

function plant(on: readonly HyperDHT[], { seq, value, signature }: Stored): void {
  const bytes = concat(compactUint(seq), compactUint(value.length), value, signature);
  for (const node of on) persistent(node).mutables.set(key(), Buffer.from(bytes));
}

/** Versions held by the nodes, undefined for what is not a record. */
function holdings(): (number | undefined)[] {
  return nodes().map((node) => {
    const value = persistent(node).mutables.get(key());
    return value === null ? undefined : decodeMutable(value).seq;
  });
}

/** What discover finds when all nodes but `honest` of them hold `lie`. */
async function discovered(
  lie: Stored,
  honest: number,
  newest?: VerifiedRecord,
): Promise<string | undefined> {
  plant(nodes().slice(honest), lie);
  if (honest > 0) plant(nodes().slice(0, honest), stored(release.record));
  const swarm = await world.swarm({ newest });
  return (await swarm.discover())?.record.version.text;
}

describe("E1: an older seq after a newer one was seen", () => {
  test("E1: never below the floor, with all nodes or all but one telling it", async () => {
    const older = world.release({ version: "1.0.0", blocks: 1, publishedS: NOW_S - 100 });
    expect(await discovered(stored(older.record), 0, release.record)).toBe("1.0.1");
    expect(await discovered(stored(older.record), 1)).toBe("1.0.1");
  });

  test("E1: control: with no floor and nothing better it is what there is", async () => {
    const older = world.release({ version: "1.0.0", blocks: 1, publishedS: NOW_S - 100 });
    expect(await discovered(stored(older.record), 0)).toBe("1.0.0");
  });
});

const FORGERIES: readonly [name: string, lie: () => Stored][] = [
  [
    "E2: a forged signature",
    () => {
      const { record } = world.release({ version: "9.0.0", blocks: 1, publishedS: NOW_S + 1 });
      return { ...stored(record), signature: bent(record.signature) };
    },
  ],
  [
    "E2: another owner's record",
    () => stored(makeRelease(generateSeed(), { version: "9.0.0", publishedS: NOW_S + 1 }).record),
  ],
  [
    "E2: an empty value",
    () => ({ seq: NOW_S + 1, value: new Uint8Array(0), signature: new Uint8Array(64) }),
  ],
  [
    "E2: 900 bytes",
    () => ({ seq: NOW_S + 1, value: new Uint8Array(900), signature: new Uint8Array(64) }),
  ],
  [
    "E2: the right record, cut by a byte",
    () => ({ ...stored(release.record), value: release.record.bytes.subarray(1) }),
  ],
  [
    "E3: the owner's record for another target",
    () => {
      const name = { ...APP, target: "linux-arm64" };
      return stored(world.release({ name, version: "9.0.0", publishedS: NOW_S + 1 }).record);
    },
  ],
  [
    "E3: the owner's record for another app",
    () => {
      const name = { ...APP, app: "other" };
      return stored(world.release({ name, version: "9.0.0", publishedS: NOW_S + 1 }).record);
    },
  ],
  [
    "C12: the right record under another seq",
    () => ({ ...stored(release.record), seq: NOW_S + 5 }),
  ],
  [
    "E4: the owner's record dated in ten years",
    () => stored(world.release({ version: "9.0.0", publishedS: NOW_S + 315_360_000 }).record),
  ],
];

for (const [name, lie] of FORGERIES) {
  test(`${name}: from every node it is nothing; one honest node among them is enough`, async () => {
    expect(await discovered(lie(), 0)).toBeUndefined();
    expect(await discovered(lie(), 0, release.record)).toBe("1.0.1");
    expect(await discovered(lie(), 1)).toBe("1.0.1");
  });
}

test("E4: an expired record is found, and says so itself: whoever installs has to look", async () => {
  const expired = world.release({
    version: "1.0.2",
    publishedS: NOW_S - 20,
    expiresS: NOW_S - 10,
  });
  plant(nodes(), stored(expired.record));
  const found = await (await world.swarm()).discover();
  expect(found?.record.expiresS).toBe(NOW_S - 10);
});

test("E5: all nodes freeze an old record and take no other; one peer that knows better ends it", async () => {
  const old = world.release({ version: "1.0.0", blocks: 1, publishedS: NOW_S - 40 * 86_400 });
  plant(nodes(), stored(old.record));
  for (const node of nodes()) {
    persistent(node).onmutableput = (request) => request.reply(null);
  }
  const victim = await world.swarm();
  expect((await victim.discover())?.record.version.text).toBe("1.0.0");
  const peer = await world.swarm();
  peer.serve(release);
  await peer.discover();
  expect(holdings()).toEqual(nodes().map(() => NOW_S - 40 * 86_400));
  // The announcement may take a moment; discover is what every copy does again and again.
  let found = await victim.discover();
  for (let turn = 0; turn < 20 && found?.record.version.text !== "1.0.1"; turn++) {
    await Bun.sleep(100);
    found = await victim.discover();
  }
  expect(found?.record.version.text).toBe("1.0.1");
});

test("E12: what the nodes have forgotten is put again by any copy, without the owner's key", async () => {
  const swarm = await world.swarm({ newest: release.record });
  expect(holdings()).toEqual(nodes().map(() => undefined));
  await swarm.discover();
  expect(holdings().filter((seq) => seq === NOW_S).length).toBeGreaterThan(0);
  const stranger = await world.swarm();
  expect((await stranger.discover())?.bytes).toEqual(release.record.bytes);
});

test("E12: nodes that hold an older record get the newer one", async () => {
  const older = world.release({ version: "1.0.0", blocks: 1, publishedS: NOW_S - 100 });
  plant(nodes(), stored(older.record));
  const swarm = await world.swarm({ newest: release.record });
  await swarm.discover();
  expect(holdings()).toEqual(nodes().map(() => NOW_S));
});

test("E13: a put that is refused as too old fetches the newer record, and is not repeated", async () => {
  const newer = world.release({ version: "1.0.2", blocks: 1, publishedS: NOW_S + 60 });
  plant(nodes(), stored(newer.record));
  let puts = 0;
  for (const node of nodes()) {
    const storage = persistent(node);
    const { onmutableget, onmutableput } = storage;
    // The newer record arrives between the answer to our get and our put.
    storage.onmutableget = (request) => {
      storage.onmutableget = onmutableget;
      request.reply(null);
    };
    storage.onmutableput = (request) => {
      puts++;
      onmutableput.call(storage, request);
    };
  }
  const swarm = await world.swarm({ newest: release.record });
  expect((await swarm.discover())?.record.version.text).toBe("1.0.2");
  expect(puts).toBeGreaterThan(0);
  expect(puts).toBeLessThanOrEqual(nodes().length);
  expect(holdings()).toEqual(nodes().map(() => NOW_S + 60));
});

test("no node at all: discover ends with what was known, and a stopped swarm says that it is", async () => {
  const clock = new FakeClock(Date.now());
  const dead = await SwarmWorld.create(1);
  const swarm = await world.swarm({ bootstrap: dead.net.bootstrap, newest: release.record, clock });
  await dead.destroy();
  const search = swarm.discover();
  for (let turn = 0; turn < 30; turn++) {
    await Bun.sleep(5);
    clock.advance(1_000);
  }
  expect((await search)?.record.version.text).toBe("1.0.1");
  await swarm.destroy();
  expect(swarm.discover()).rejects.toMatchObject({ code: "STOPPED" });
});
