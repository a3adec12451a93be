/** `publish --previous`: a publisher that never ran the version before can still send the difference to it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChunkPlan } from "../../src/content/plan.ts";
import { systemClock } from "../../src/core/clock.ts";
import { generateSeed } from "../../src/core/keys.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import { publishExecutable } from "../../src/release/publish.ts";
import { APP, makeRelease, noise, type TestRelease } from "../helpers/release.ts";
import { SwarmWorld } from "../helpers/swarm-world.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";

const BLOCKS = 32;
let world: SwarmWorld;
let directory: string;
let old: TestRelease;
let next: TestRelease;

beforeAll(async () => {
  world = await SwarmWorld.create();
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-previous-"));
  old = world.release({ version: "1.0.0", blocks: BLOCKS, header: tinyElf() });
  const head = old.bytes.slice();
  for (const at of [300_000, 1_000_000]) head.set(noise(100, 7), at);
  next = world.release({ version: "1.0.1", blocks: BLOCKS, head });
});
afterAll(async () => {
  await world.destroy();
  rmSync(directory, { recursive: true, force: true });
});

function fileOf(name: string, { file }: TestRelease): string {
  const path = join(directory, name);
  writeFileSync(path, file, { mode: 0o755 });
  return path;
}

function publish(previous: readonly string[], signal: AbortSignal): Promise<unknown> {
  return publishExecutable({
    path: fileOf("next", next),
    previous,
    bootstrap: world.net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(","),
    untilCopies: undefined,
    uploadBytesPerS: Infinity,
    clock: systemClock,
    log: () => undefined,
    onProgress: () => undefined,
    signal,
  });
}

/** Bytes of answers that a copy of `old` takes to become `next`. */
async function wireBytes(previous: readonly string[]): Promise<number> {
  const stopping = new AbortController();
  const publishing = publish(previous, stopping.signal);
  const getter = await world.swarm();
  while (getter.newest === undefined) await getter.discover();
  let bytes = 0;
  await getter.fetch(next.record, {
    local: { table: old.table, stream: old.stream },
    checkRegion: (region) => void checkRegion(world.owner, region, next.record),
    missing: (table) => new ChunkPlan(table, old.table).missing,
    onPiece: ({ offset }, bytes) => {
      const expected = next.bytes.subarray(offset, offset + bytes.length);
      expect(Buffer.compare(bytes, expected)).toBe(0);
    },
    onProgress: (now) => (bytes = now.wireBytes),
  });
  await getter.destroy();
  stopping.abort();
  await publishing;
  return bytes;
}

test("with the version before at hand an update is some hundred bytes, without it some kilobytes", async () => {
  const path = fileOf("old", old);
  expect(await wireBytes([path])).toBeLessThan(800);
  expect(await wireBytes([])).toBeGreaterThan(1_500);
}, 40_000);

test("a version that is damaged is not used, and nothing fails", async () => {
  const file = old.file.slice();
  file[2_000_000] = (file[2_000_000] ?? 0) ^ 1;
  expect(await wireBytes([fileOf("damaged", { ...old, file })])).toBeGreaterThan(1_500);
}, 40_000);

test("another app, another owner and what is no release are refused before anything is served", async () => {
  const other = world.release({ version: "1.0.0", name: { ...APP, app: "other" } });
  const foreign = makeRelease(generateSeed(), { version: "1.0.0" });
  writeFileSync(join(directory, "text"), "no executable");
  for (const [path, reason] of [
    [fileOf("other", other), "is no older version of it"],
    [fileOf("foreign", foreign), "not signed by its owner"],
    [join(directory, "text"), "no signature region"],
    [join(directory, "nothing"), "no file"],
  ] as const) {
    const refusal = await publish([path], new AbortController().signal).catch(String);
    expect(refusal).toContain(reason);
  }
});
