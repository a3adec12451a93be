/** What a publisher announces, and when it has had enough. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import type { VerifiedRecord } from "../../src/core/release-record.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import {
  publishExecutable,
  type PublishOptions,
  type PublishProgress,
} from "../../src/release/publish.ts";
import { fastClock } from "../helpers/clock.ts";
import type { ReleaseOptions, TestRelease } from "../helpers/release.ts";
import { SwarmWorld, until } from "../helpers/swarm-world.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";

const NOW_S = Math.floor(Date.now() / 1000);
const TIMEOUT_MS = 30_000;
/** Rounds of 10 s, and the half minute before a share counts, pass this much faster. */
const SPEED = 20;
let world: SwarmWorld;
let directory: string;
let last: PublishProgress | undefined;
let stop: AbortController;

beforeEach(async () => {
  world = await SwarmWorld.create();
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-publish-"));
  last = undefined;
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await world.destroy();
  rmSync(directory, { recursive: true, force: true });
});

const release = (options: Partial<ReleaseOptions> = {}): TestRelease =>
  world.release({
    version: "2.0.0",
    blocks: 2,
    header: tinyElf(),
    publishedS: NOW_S - 100,
    isPinned: true,
    ...options,
  });

function publish(
  { file }: TestRelease,
  options: Partial<PublishOptions> = {},
): Promise<PublishProgress> {
  const path = join(directory, "app");
  writeFileSync(path, file, { mode: 0o755 });
  const bootstrap = world.net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(",");
  return publishExecutable({
    path,
    bootstrap,
    untilCopies: undefined,
    uploadBytesPerS: Infinity,
    clock: fastClock(SPEED),
    log: () => undefined,
    onProgress: (now) => (last = now),
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    ...options,
  });
}

test(
  "announces the same file anew, for more copies, and its old region is the one that is served",
  async () => {
    const first = release({ x: { rolloutPercent: 10 }, notes: "new" });
    const publishing = publish(first, { anew: { seed: world.seed, rolloutPercent: 50 } });
    const getter = await world.swarm();
    let newest: VerifiedRecord | undefined;
    for (let round = 0; newest === undefined && round < 10; round++) {
      newest = await getter.discover();
    }
    if (newest === undefined) throw new Error("no record");
    const { record } = newest;
    expect(record.x).toMatchObject({ rolloutPercent: 50, notes: first.record.record.x.notes });
    expect(record.root).toEqual(first.table.root);
    expect(record.publishedS).toBeGreaterThan(first.record.record.publishedS);
    const found = newest;
    const { region } = await getter.fetch(found, {
      checkRegion: (bytes) => void checkRegion(world.owner, bytes, found),
      missing: () => [],
      onPiece: () => undefined,
    });
    expect(region).toEqual(first.region);
    stop.abort();
    await publishing;
  },
  TIMEOUT_MS,
);

test("announces nothing anew with another key, or what was signed without its settings", async () => {
  const other = publish(release(), { anew: { seed: generateSeed() } });
  expect(await other.catch((error: unknown) => error)).toMatchObject({ code: "KEY_MISMATCH" });
  const old = publish(release({ isPinned: false }), { anew: { seed: world.seed } });
  expect(await old.catch((error: unknown) => error)).toMatchObject({ code: "NOT_PUBLISHABLE" });
});

test(
  "ends when the share of the copies that has it is reached, and not before",
  async () => {
    const older = release({ version: "1.0.0", salt: 2, publishedS: NOW_S - 200 });
    const newer = release();
    const copies = await Promise.all([1, 2, 3].map(() => world.swarm()));
    for (const copy of copies) copy.serve(older);
    await Promise.all(copies.map((copy) => copy.discover()));
    let isOver = false;
    const publishing = publish(newer, { untilPercent: 60 }).finally(() => (isOver = true));
    await until(() => last?.met === 3, "three copies", TIMEOUT_MS);
    expect(last).toMatchObject({ percent: 0, copies: 0 });
    copies[0]?.serve(newer);
    await until(() => last?.percent === 33, "a third", TIMEOUT_MS);
    expect(isOver).toBe(false);
    copies[1]?.serve(newer);
    expect(await publishing).toMatchObject({ percent: 66, met: 3 });
  },
  TIMEOUT_MS,
);
