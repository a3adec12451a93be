/** An interrupted download: the next attempt takes over what has the right hash, and nothing else. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { concat } from "../../src/core/bytes.ts";
import { Assembly } from "../../src/update/assemble.ts";
import { Fetcher } from "../../src/update/fetch.ts";
import { InstalledApp } from "../helpers/installed.ts";
import { MemorySource } from "../helpers/memory-source.ts";
import { noise, type TestRelease } from "../helpers/release.ts";

const BLOCKS = 20;
let app: InstalledApp;
let source: MemorySource;
let open: Assembly[];

beforeEach(() => {
  app = new InstalledApp();
  source = new MemorySource();
  open = [];
});
afterEach(() => {
  for (const assembly of open) assembly.discard();
  app.remove();
});

function fetcher(): Fetcher {
  return new Fetcher({
    installation: app.installation,
    own: app.own,
    source,
    clock: systemClock,
    onProgress: () => undefined,
  });
}

const partial = (): string => app.installation.partialPath;

/** Fetches all; returns how many chunks were fetched. */
async function fetchAll(release: TestRelease, by = fetcher()): Promise<number> {
  const before = source.chunks;
  source.beforeChunk = () => undefined;
  const assembly = Assembly.begin(app.installation, release.record.record);
  open.push(assembly);
  const signal = new AbortController().signal;
  const { path } = await by.fill(assembly, app.candidate(release), signal);
  expect(readFileSync(path).toHex()).toBe(release.file.toHex());
  return source.chunks - before;
}

/** An attempt that ends after so many chunks. */
async function interrupted(release: TestRelease, chunks: number, by = fetcher()): Promise<void> {
  const stop = new AbortController();
  let left = chunks;
  source.publish(release);
  source.beforeChunk = () => {
    if (left-- === 0) stop.abort();
  };
  const assembly = Assembly.begin(app.installation, release.record.record);
  const code = await by.fill(assembly, app.candidate(release), stop.signal).then(
    () => "done",
    (error: unknown) => String(Reflect.get(Object(error), "code")),
  );
  expect(code).toBe("STOPPED");
  assembly.leave();
}

const next = (salt = 2, version = "1.0.1"): TestRelease =>
  app.make({ version, blocks: BLOCKS, salt });

test("the next attempt fetches only what is not there yet", async () => {
  const release = next();
  await interrupted(release, 7);
  expect(statSync(partial()).mode & 0o777).toBe(0o600);
  await interrupted(release, 5);
  expect(await fetchAll(release)).toBe(release.table.count - 12);
});

test("there is one file at most", async () => {
  const release = next();
  for (let attempt = 0; attempt < 3; attempt++) {
    await interrupted(release, 3);
    expect(readdirSync(app.directory).filter((name) => name !== "app")).toEqual([
      ".app.rustpatcher-partial",
    ]);
  }
});

test("a chunk that was changed on the disk is fetched again, and no other", async () => {
  const release = next();
  await interrupted(release, release.table.count - 1);
  const bytes = readFileSync(partial());
  for (const index of [3, 9]) {
    const at = release.table.rangeOf(index).offset + release.region.length + 5;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
  }
  writeFileSync(partial(), bytes);
  expect(await fetchAll(release)).toBe(3);
});

test("a file that was cut short or is longer, or holds anything else, harms nothing", async () => {
  const release = next();
  source.publish(release);
  await interrupted(release, 10);
  const bytes = readFileSync(partial());
  // Chunks come in order here: ten of them are there.
  const end = release.table.rangeOf(9).offset;
  for (const [content, chunks] of [
    [new Uint8Array(0), release.table.count],
    [bytes.subarray(0, end), release.table.count - 8],
    [concat(bytes, noise(100_000, 5)), release.table.count - 10],
    [noise(bytes.length, 77), release.table.count],
    [release.file, 0],
  ] as const) {
    rmSync(partial(), { force: true });
    writeFileSync(partial(), content, { mode: 0o600 });
    const fetched = await fetchAll(release);
    expect([content.length, Math.abs(fetched - chunks)]).toEqual([content.length, 0]);
    for (const assembly of open.splice(0)) assembly.discard();
  }
});

describe("a newer release in the middle of it", () => {
  /** As `old`, with some bytes inserted near its beginning: everything behind lies elsewhere. */
  const shifted = (old: TestRelease): TestRelease => {
    const head = concat(old.bytes.subarray(0, 200_000), noise(777, 9), old.bytes.subarray(200_000));
    return app.make({ version: "1.0.2", blocks: BLOCKS + 1, head: head, salt: 4 });
  };

  test("keeps every chunk that both have, in the run that began the first", async () => {
    const old = next();
    const newer = shifted(old);
    const by = fetcher();
    const done = Math.floor(old.table.count / 2);
    await interrupted(old, done, by);
    const shared = Array.from({ length: done }, (_, index) => old.table.hashOf(index)).filter(
      (hash) => newer.table.find(hash) !== undefined,
    ).length;
    expect(shared).toBeGreaterThan(10);
    source.publish(newer);
    expect(await fetchAll(newer, by)).toBe(newer.table.count - shared);
    expect(readdirSync(app.directory).filter((name) => name.endsWith("-tmp"))).toEqual([]);
  });

  test("keeps most of them in another run, which does not know what the file was begun for", async () => {
    const old = next();
    const newer = shifted(old);
    const done = Math.floor(old.table.count / 2);
    await interrupted(old, done);
    source.publish(newer);
    expect(await fetchAll(newer)).toBeLessThanOrEqual(newer.table.count - done + 5);
  });

  test("that has nothing in common fetches all", async () => {
    await interrupted(next(), 9);
    const other = next(3, "1.0.2");
    source.publish(other);
    expect(await fetchAll(other)).toBe(other.table.count);
  });
});

describe("F8: what lies under its name and is not ours alone is neither read nor written to", () => {
  const bystander = (): string => join(app.directory, "bystander");

  test.each<[string, () => void]>([
    ["a link to another file", () => symlinkSync(bystander(), partial())],
    ["a link to nothing", () => symlinkSync(join(app.directory, "nowhere"), partial())],
    ["a second name of another file", () => linkSync(bystander(), partial())],
    [
      "a file that others may write to",
      () => {
        writeFileSync(partial(), next().file);
        chmodSync(partial(), 0o666);
      },
    ],
    ["a pipe", () => void Bun.spawnSync(["mkfifo", partial()])],
  ])("%s", async (_, plant) => {
    writeFileSync(bystander(), "untouched", { mode: 0o600 });
    plant();
    const release = next();
    source.publish(release);
    expect(await fetchAll(release)).toBe(release.table.count);
    expect(readFileSync(bystander(), "utf8")).toBe("untouched");
    expect(lstatSync(partial()).isFile()).toBe(true);
    expect(lstatSync(partial()).nlink).toBe(1);
    expect(existsSync(join(app.directory, "nowhere"))).toBe(false);
  });

  test("a directory: it stays, and the update goes through all the same", async () => {
    mkdirSync(partial());
    writeFileSync(join(partial(), "inside"), "untouched");
    const release = next();
    source.publish(release);
    expect(await fetchAll(release)).toBe(release.table.count);
    for (const assembly of open.splice(0)) assembly.leave();
    expect(readFileSync(join(partial(), "inside"), "utf8")).toBe("untouched");
    expect(readdirSync(app.directory).filter((name) => name.endsWith("-tmp"))).toEqual([]);
  });
});

test("what was made executable before a kill is not, until it is verified again", async () => {
  const release = next();
  await interrupted(release, 9);
  chmodSync(partial(), 0o755);
  const assembly = Assembly.begin(app.installation, release.record.record);
  open.push(assembly);
  expect(statSync(partial()).mode & 0o777).toBe(0o600);
});
