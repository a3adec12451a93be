/** Whole swarms on loopback: who finds whom, who gets what from whom. */
import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { systemClock, unixMinute, type Clock } from "../../src/core/clock.ts";
import { CONNECTIONS_OUT_MAX } from "../../src/core/limits.ts";
import type { VerifiedRecord } from "../../src/core/release-record.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import { Announcer } from "../../src/swarm/announcer.ts";
import { Copies } from "../../src/swarm/copies.ts";
import type { FetchProgress } from "../../src/swarm/fetch-options.ts";
import { loadHyperDHT } from "../../src/swarm/node.ts";
import type { Swarm } from "../../src/swarm/swarm.ts";
import { topicOf } from "../../src/swarm/topic.ts";
import { evilProvider } from "../attacks/evil-provider.ts";
import { fastClock, FakeClock } from "../helpers/clock.ts";
import type { TestRelease } from "../helpers/release.ts";
import { SwarmWorld, until, within } from "../helpers/swarm-world.ts";

const NOW_S = Math.floor(Date.now() / 1000);
let world: SwarmWorld;
let old: TestRelease;
let release: TestRelease;

beforeEach(async () => {
  world = await SwarmWorld.create();
  old = world.release({ version: "1.0.0", blocks: 5, salt: 1, publishedS: NOW_S - 60 });
  release = world.release({ version: "1.0.1", blocks: 5, salt: 2, publishedS: NOW_S - 30 });
});
afterEach(() => world.destroy());

async function discovers(swarm: Swarm, version: string): Promise<VerifiedRecord> {
  const startMs = performance.now();
  for (;;) {
    const found = await swarm.discover();
    if (found?.record.version.text === version) return found;
    if (performance.now() - startMs > 4_000) throw new Error(`did not discover ${version}`);
    await Bun.sleep(50);
  }
}

async function fetched(swarm: Swarm, wanted: TestRelease): Promise<Uint8Array> {
  const out = new Uint8Array(wanted.bytes.length);
  await swarm.fetch(wanted.record, {
    checkRegion: (region) => void checkRegion(world.owner, region, wanted.record),
    missing: ({ count }) => Array.from({ length: count }, (_, index) => index),
    onPiece: ({ offset }, bytes) => out.set(bytes, offset),
  });
  return out;
}

describe("discover and fetch", () => {
  test("who has heard nothing new for five rounds asks two peers a round, till something is new", async () => {
    for (let copies = 0; copies < 5; copies++) {
      const copy = await world.swarm({ newest: old.record });
      copy.serve(old);
      await copy.discover();
    }
    const idle = await world.swarm({ newest: old.record });
    const HyperDHT = await loadHyperDHT();
    const connect = spyOn(HyperDHT.prototype, "connect");
    const dialed = async (): Promise<number> => {
      connect.mockClear();
      await idle.discover();
      return connect.mock.calls.length;
    };
    try {
      const rounds: number[] = [];
      while (rounds.length < 20 && rounds.at(-1) !== 1) rounds.push(await dialed());
      expect(rounds[0]).toBe(5);
      expect(rounds.length).toBeGreaterThan(5);
      expect(await dialed()).toBe(1);
      idle.tell(release.record);
      expect(await dialed()).toBeGreaterThan(2);
    } finally {
      connect.mockRestore();
    }
  });

  test("a calm copy that announces itself looks nobody up, till something is new", async () => {
    for (let copies = 0; copies < 3; copies++) {
      const copy = await world.swarm({ newest: old.record });
      copy.serve(old);
      await copy.discover();
    }
    const idle = await world.swarm({ newest: old.record });
    idle.serve(old);
    await idle.discover();
    const HyperDHT = await loadHyperDHT();
    const lookup = spyOn(HyperDHT.prototype, "lookup");
    const connect = spyOn(HyperDHT.prototype, "connect");
    const round = async (): Promise<{ lookups: number; dials: number }> => {
      lookup.mockClear();
      connect.mockClear();
      await idle.discover();
      return { lookups: lookup.mock.calls.length, dials: connect.mock.calls.length };
    };
    try {
      const rounds = [await round()];
      while (rounds.length < 20 && rounds.at(-1)?.dials !== 1) rounds.push(await round());
      expect(rounds[0]?.lookups).toBeGreaterThanOrEqual(2);
      expect(rounds.at(-1)).toEqual({ lookups: 0, dials: 1 });
      idle.tell(release.record);
      expect((await round()).lookups).toBeGreaterThanOrEqual(2);
    } finally {
      lookup.mockRestore();
      connect.mockRestore();
    }
  });

  test("a copy of the old version hears of the new one and gets it", async () => {
    const told: string[] = [];
    const installed = await world.swarm({
      newest: old.record,
      onRecord: ({ record }) => told.push(record.version.text),
    });
    installed.serve(old);
    const newer = await world.swarm();
    newer.serve(release);
    await newer.discover();
    await discovers(installed, "1.0.1");
    expect(told).toEqual(["1.0.1"]);
    expect(await fetched(installed, release)).toEqual(release.bytes);
  });

  test("a copy that has just updated is enough: its own provider may be gone", async () => {
    const first = await world.swarm();
    first.serve(release);
    const second = await world.swarm();
    await discovers(second, "1.0.1");
    expect(await fetched(second, release)).toEqual(release.bytes);
    second.serve(release);
    await first.destroy();
    const third = await world.swarm();
    await discovers(third, "1.0.1");
    expect(await fetched(third, release)).toEqual(release.bytes);
  });

  test("several releases are served at once, each by its root", async () => {
    const both = await world.swarm();
    both.serve(old);
    both.serve(release);
    const getter = await world.swarm();
    await discovers(getter, "1.0.1");
    expect(await fetched(getter, old)).toEqual(old.bytes);
    expect(await fetched(getter, release)).toEqual(release.bytes);
  });

  test("only the missing chunks are fetched, and counted as such", async () => {
    const provider = await world.provider([release]);
    const getter = await world.getter([provider.publicKey]);
    const progress: FetchProgress[] = [];
    const taken: number[] = [];
    await getter.fetch(release.record, {
      missing: () => [1, 4],
      onPiece: ({ first, count }) => {
        for (let i = 0; i < count; i++) taken.push(first + i);
      },
      onProgress: (now) => progress.push(now),
    });
    expect(new Set(taken)).toEqual(new Set([1, 4]));
    const chunkBytes = [1, 4].reduce((sum, i) => sum + release.table.rangeOf(i).sizeBytes, 0);
    expect(progress.at(-1)).toEqual({
      fetchedBytes: chunkBytes,
      // Noise cannot be compressed: one byte more for each of them.
      wireBytes: chunkBytes + 2,
      reusedBytes: release.bytes.length - chunkBytes,
      totalBytes: release.bytes.length,
      providers: 1,
    });
    await until(() => provider.done.length === 1, "the provider to be told");
  });

  test("a private swarm is another swarm: same owner, same names, nobody there", async () => {
    const open = await world.swarm();
    open.serve(release);
    await open.discover();
    const secret = { sharedSecret: new Uint8Array(32).fill(3) };
    const inside = await world.swarm({ ...secret, newest: old.record });
    // The DHT record is the owner's for everybody; the bytes are for those with the secret.
    await discovers(inside, "1.0.1");
    const fast = await world.swarm({ ...secret, clock: fastClock(60), newest: old.record });
    expect(fetched(fast, release)).rejects.toMatchObject({ code: "NO_PROVIDER" });
    const member = await world.swarm(secret);
    member.serve(release);
    expect(await within(fetched(inside, release), "a member", 8_000)).toEqual(release.bytes);
  }, 15_000);

  test("G1: a client whose clock is five minutes off is let in at its second try", async () => {
    const skewed: Clock = { ...systemClock, nowMs: () => Date.now() + 300_000 };
    const provider = await world.provider([release], { clock: skewed });
    const getter = await world.getter([provider.publicKey]);
    expect(await getter.fetch(release.record)).toEqual(release.bytes);
  });

  test("never more connections of our own than allowed, and each peer is judged by what it gave", async () => {
    const node = await world.net.createNode();
    const { default: HyperDHT } = await import("@hyperswarm/dht");
    const peers = await Promise.all(
      Array.from({ length: CONNECTIONS_OUT_MAX + 4 }, () =>
        evilProvider(node, HyperDHT.keyPair(), world.scope, release, { onMessage: () => true }),
      ),
    );
    const getter = await world.getter(
      peers.map(({ publicKey }) => publicKey),
      { clock: fastClock(10) },
    );
    let most = 0;
    const controller = new AbortController();
    const watch = setInterval(() => {
      most = Math.max(most, getter.dialer.busy.size);
      if (most >= CONNECTIONS_OUT_MAX) setTimeout(() => controller.abort(), 100);
    }, 2);
    try {
      const fetch = getter.fetch(release.record, { signal: controller.signal });
      expect(await fetch.catch((error: unknown) => error)).toMatchObject({ code: "STOPPED" });
    } finally {
      clearInterval(watch);
    }
    expect(most).toBe(CONNECTIONS_OUT_MAX);
    await Promise.all(peers.map((peer) => peer.close()));
  }, 15_000);
});

describe("stopping", () => {
  test("a caller that cannot take a chunk ends the fetch with its own error", async () => {
    const provider = await world.provider([release]);
    const getter = await world.getter([provider.publicKey]);
    const full = new Error("the disk is full");
    const fetch = getter.fetch(release.record, { onPiece: () => Promise.reject(full) });
    expect(await fetch.catch((error: unknown) => error)).toBe(full);
    // Nobody is blamed for it.
    expect(await getter.fetch(release.record)).toEqual(release.bytes);
  });

  test("an abort ends it, before and in the middle", async () => {
    const provider = await world.provider([release]);
    const getter = await world.getter([provider.publicKey]);
    const before = getter.fetch(release.record, { signal: AbortSignal.abort() });
    expect(await before.catch((error: unknown) => error)).toMatchObject({ code: "STOPPED" });
    const controller = new AbortController();
    const during = getter.fetch(release.record, {
      signal: controller.signal,
      onPiece: () => controller.abort(),
    });
    expect(await during.catch((error: unknown) => error)).toMatchObject({ code: "STOPPED" });
    expect(await getter.fetch(release.record)).toEqual(release.bytes);
  });

  test("destroying a swarm ends its fetch", async () => {
    const swarm = await world.swarm();
    const fetch = fetched(swarm, release).catch((error: unknown) => error);
    await swarm.destroy();
    expect(await within(fetch, "the fetch to end")).toMatchObject({ code: "STOPPED" });
    await swarm.destroy();
  });

  test("a process that has destroyed its swarm ends by itself", async () => {
    const script = `
      import { Swarm } from ${JSON.stringify(join(import.meta.dir, "../../src/swarm/swarm.ts"))};
      import { systemClock } from ${JSON.stringify(join(import.meta.dir, "../../src/core/clock.ts"))};
      import { generateSeed, publicKeyOf } from ${JSON.stringify(join(import.meta.dir, "../../src/core/keys.ts"))};
      const swarm = await Swarm.start({
        owner: publicKeyOf(generateSeed()),
        name: { app: "a", target: "linux-x64", channel: "stable" },
        sharedSecret: undefined,
        bootstrap: ${JSON.stringify(world.net.bootstrap)},
        clock: systemClock,
        log: () => undefined,
        intervalMs: 1_000,
      });
      await swarm.discover();
      await swarm.destroy();
      console.log("destroyed");`;
    const child = Bun.spawn([process.execPath, "-e", script], {
      cwd: join(import.meta.dir, "../.."),
      stdout: "pipe",
      stderr: "inherit",
    });
    const timer = setTimeout(() => child.kill(), 8_000);
    expect(await child.exited).toBe(0);
    clearTimeout(timer);
    expect(await child.stdout.text()).toBe("destroyed\n");
  }, 10_000);
});

describe("announcing", () => {
  const seen = async (minute: number): Promise<string[]> => {
    const node = await world.net.createNode();
    const keys: string[] = [];
    for await (const { peers } of node.lookup(topicOf(world.scope, minute))) {
      keys.push(...peers.map(({ publicKey }) => publicKey.toHex()));
    }
    return keys;
  };
  const appears = async (key: string, minute: number): Promise<void> => {
    const startMs = performance.now();
    while (!(await seen(minute)).includes(key)) {
      if (performance.now() - startMs > 4_000) throw new Error(`not on minute ${minute}`);
      await Bun.sleep(50);
    }
  };

  test("a copy that serves stands on this minute's topic, and on the next one when it comes", async () => {
    const clock = new FakeClock();
    const minute = unixMinute(clock.nowMs());
    const swarm = await world.swarm({ clock });
    expect(await seen(minute)).toEqual([]);
    swarm.serve(release);
    const key = swarm.publicKey.toHex();
    await appears(key, minute);
    expect(await seen(minute + 1)).toEqual([]);
    for (let turn = 0; turn < 7; turn++) {
      clock.advance(10_000);
      await Bun.sleep(5);
    }
    await appears(key, minute + 1);
  }, 12_000);

  test("who is announced already becomes known by announcing", async () => {
    const clock = new FakeClock();
    const first = await world.swarm({ clock });
    first.serve(release);
    await appears(first.publicKey.toHex(), unixMinute(clock.nowMs()));
    const dht = await world.net.createNode();
    const found: string[] = [];
    const announcer = new Announcer(
      dht,
      { ...world.scope, bootstrap: world.net.bootstrap, clock },
      {
        provider: { listen: () => Promise.resolve(), relayAddresses: [] },
        holdings: { isEmpty: false },
        peers: { add: (key) => void found.push(key.toHex()) },
        stopping: new AbortController().signal,
        onFailure: (cause) => expect(cause).toBeUndefined(),
      },
    );
    expect(announcer.hasLooked).toBe(false);
    await announcer.announce();
    expect(found).toContain(first.publicKey.toHex());
    expect(announcer.hasLooked).toBe(true);
    clock.advance(120_000);
    expect(announcer.hasLooked).toBe(false);
  });

  test("who only looks is not announced", async () => {
    const swarm = await world.swarm();
    await swarm.discover();
    expect(await seen(unixMinute(Date.now()))).toEqual([]);
  });

  test.if(process.platform === "linux")(
    "a swarm on loopback opens no socket to anybody else",
    async () => {
      const before = wildcardSockets();
      const swarm = await world.swarm();
      swarm.serve(release);
      await swarm.discover();
      expect(wildcardSockets()).toBe(before);
    },
  );
});

test("whoever publishes learns how many copies have it, counting none twice", async () => {
  const copies = new Copies(release.table.root);
  const publisher = await world.swarm({ copies });
  publisher.serve(release);
  await publisher.discover();
  expect(copies.count).toBe(0);
  const first = await world.swarm();
  await discovers(first, "1.0.1");
  await fetched(first, release);
  await until(() => copies.count === 1, "the first copy");
  first.serve(release);
  // The same copy, seen serving.
  await discovers(publisher, "1.0.1");
  await Bun.sleep(100);
  await publisher.discover();
  expect(copies.count).toBe(1);
  const second = await world.swarm();
  await discovers(second, "1.0.1");
  await fetched(second, release);
  // It asks whoever is fastest; both know now or at the next look.
  second.serve(release);
  const startMs = performance.now();
  while (copies.count < 2 && performance.now() - startMs < 4_000) {
    await publisher.discover();
    await Bun.sleep(50);
  }
  expect(copies.count).toBe(2);
}, 12_000);

/** UDP sockets of this process that are bound to every address. */
function wildcardSockets(): number {
  const inodes = new Set<string>();
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`));
      if (match?.[1] !== undefined) inodes.add(match[1]);
    } catch {
      // The descriptor of the listing itself is gone.
    }
  }
  const lines = readFileSync("/proc/self/net/udp", "latin1").split("\n").slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  return fields.filter(
    ([, local, , , , , , , , inode]) =>
      local?.startsWith("00000000:") === true && inodes.has(inode ?? ""),
  ).length;
}
