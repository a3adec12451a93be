import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { Content } from "../../src/content/content.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { equal } from "../../src/core/bytes.ts";
import { OLDER_VERSIONS_MAX_BYTES } from "../../src/core/limits.ts";
import { memorySource } from "../../src/core/source.ts";
import type { Base } from "../../src/swarm/bases.ts";
import { OlderVersions } from "../../src/update/older-versions.ts";
import { InstalledApp } from "../helpers/installed.ts";
import { noise } from "../helpers/release.ts";

let app: InstalledApp;
const open: OlderVersions[] = [];

beforeEach(() => {
  app = new InstalledApp({ blocks: 1 });
});
afterEach(() => {
  for (const older of open.splice(0)) older.close();
  app.remove();
});

function opened(): OlderVersions {
  const older = new OlderVersions(app.installation);
  open.push(older);
  return older;
}

const first = noise(1_000_000, 1);

/** Each differs from the one before in a hundred bytes. */
function version(number: number): Content {
  const bytes = first.slice();
  for (let i = 1; i <= number; i++) bytes.set(noise(100, 50 + i), i * 45_000);
  const stream = memorySource(bytes);
  return { table: ChunkTable.ofStream(stream), stream };
}
const baseOf = ({ table, stream }: Content): Base => ({ root: table.root, stream });
const rootsOf = (bases: readonly Base[]): string[] => bases.map(({ root }) => root.toHex());

test("each version that starts adds the one before it; all of them can be read", async () => {
  for (let number = 1; number <= 5; number++) {
    const running = version(number);
    const older = opened();
    expect(older.over(running)).toEqual([]);
    const expected = Array.from({ length: number }, (_, i) => version(number - 1 - i));
    const added = await older.add(baseOf(version(number - 1)), running);
    expect(rootsOf(added)).toEqual(expected.map(({ table }) => table.root.toHex()));
    // The next start of the same version finds them, and does nothing.
    expect(rootsOf(opened().over(running))).toEqual(rootsOf(added));
    expect(await opened().add(baseOf(version(number - 1)), running)).toEqual([]);
    for (const [i, { root, stream }] of added.entries()) {
      expect(ChunkTable.ofStream(stream).root).toEqual(root);
      const wanted = expected[i]?.stream.read(0, first.length) ?? noise(1, 1);
      expect(equal(stream.read(0, stream.sizeBytes), wanted)).toBe(true);
    }
  }
  expect(statSync(app.installation.olderPath).size).toBeLessThan(5_000);
  // No other file is left.
  expect(readdirSync(app.directory).filter((name) => name.includes("tmp"))).toEqual([]);
});

test("after going back a version, those before it are still there", async () => {
  await opened().add(baseOf(version(0)), version(1));
  await opened().add(baseOf(version(1)), version(2));
  expect(rootsOf(opened().over(version(1)))).toEqual(rootsOf([baseOf(version(0))]));
  expect(opened().over(version(7))).toEqual([]);
});

test("a previous version that is not what it says is not kept", async () => {
  const previous = { root: version(0).table.root, stream: version(1).stream };
  expect(await opened().add(previous, version(2))).toEqual([]);
  expect(existsSync(app.installation.olderPath)).toBe(false);
});

test("what is too large is not kept, and what was below it goes", async () => {
  await opened().add(baseOf(version(0)), version(1));
  const bytes = noise(OLDER_VERSIONS_MAX_BYTES + 1_000_000, 3);
  const large = { table: ChunkTable.ofStream(memorySource(bytes)), stream: memorySource(bytes) };
  await opened().add(baseOf(version(1)), large);
  // Small over large: the small one is kept.
  expect(rootsOf(opened().over(large))).toEqual(rootsOf([1, 0].map((n) => baseOf(version(n)))));
  await opened().add(baseOf(large), version(2));
  expect(existsSync(app.installation.olderPath)).toBe(false);
}, 30_000);

test("a damaged file costs what is in it, and nothing else", async () => {
  await opened().add(baseOf(version(0)), version(1));
  const { olderPath } = app.installation;
  const bytes = readFileSync(olderPath);
  for (const damaged of [Buffer.alloc(0), bytes.subarray(0, 50), Buffer.alloc(5_000, 7)]) {
    writeFileSync(olderPath, damaged);
    expect(opened().over(version(1))).toEqual([]);
    expect(rootsOf(await opened().add(baseOf(version(0)), version(1)))).toHaveLength(1);
  }
});

test("a directory that cannot be written to is no error", async () => {
  chmodSync(app.directory, 0o500);
  try {
    const added = await opened().add(baseOf(version(0)), version(1));
    // Root writes all the same.
    expect(added.length).toBe(process.geteuid?.() === 0 ? 1 : 0);
  } finally {
    chmodSync(app.directory, 0o700);
  }
});
