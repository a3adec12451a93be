import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { systemClock } from "../../src/core/clock.ts";
import { decodeRegion, encodeRegion } from "../../src/exe/full-region.ts";
import { MARKER, REGION_BYTES } from "../../src/exe/region.ts";
import type { FetchOptions } from "../../src/swarm/fetch-options.ts";
import { Assembly } from "../../src/update/assemble.ts";
import { Fetcher, type DownloadProgress } from "../../src/update/fetch.ts";
import { verifyUpdate, type VerifiedUpdate } from "../../src/update/verify.ts";
import { codeOf, InstalledApp } from "../helpers/installed.ts";
import { MemorySource } from "../helpers/memory-source.ts";
import { makeRelease, type TestRelease } from "../helpers/release.ts";

let app: InstalledApp;
let source: MemorySource;
let stop: AbortController;
let progress: [done: number, total: number][];
let told: DownloadProgress[];
const assemblies: Assembly[] = [];

beforeEach(() => {
  app = new InstalledApp({ blocks: 6 });
  source = new MemorySource();
  stop = new AbortController();
  progress = [];
  told = [];
});
afterEach(() => {
  for (const assembly of assemblies.splice(0)) assembly.discard();
  app.remove();
});

test("pieces are kept for others in a file that has no name, and nowhere once the directory is gone", async () => {
  const release = changedIn(1, 3);
  source.publish(release);
  let written: FetchOptions["written"];
  const fetch = source.fetch.bind(source);
  source.fetch = (candidate, options) => {
    ({ written } = options);
    return fetch(candidate, options);
  };
  await fill(release);
  const names = readdirSync(app.installation.directory);
  const kept = written?.().keepCoded?.();
  expect(readdirSync(app.installation.directory)).toEqual(names);
  const piece = { first: 1, count: 1 };
  kept?.set(piece, Uint8Array.of(7));
  if (process.platform !== "win32") expect(kept?.get(piece)).toEqual(Uint8Array.of(7));
  kept?.close();
  const { keepCoded } = written?.() ?? {};
  if (keepCoded === undefined) throw new Error("nothing is given to others");
  rmSync(app.installation.directory, { recursive: true });
  expect(keepCoded()).toBeUndefined();
});

function fetcher(): Fetcher {
  return new Fetcher({
    installation: app.installation,
    own: app.own,
    source,
    clock: systemClock,
    onProgress: (now) => {
      told.push(now);
      progress.push([now.doneBytes, now.totalBytes]);
    },
  });
}

function begin(release: TestRelease): Assembly {
  const assembly = Assembly.begin(app.installation, release.record.record);
  assemblies.push(assembly);
  return assembly;
}

function fill(release: TestRelease, by: Fetcher = fetcher()): Promise<VerifiedUpdate> {
  return by.fill(begin(release), app.candidate(release), stop.signal);
}

/** A release that differs from the installed one in a hundred bytes within each of the given chunks. */
function changedIn(...chunks: readonly number[]): TestRelease {
  const bytes = app.release.bytes.slice();
  for (const index of chunks) {
    const { offset } = app.release.table.rangeOf(index);
    bytes.fill(index, offset + 1_000, offset + 1_100);
  }
  return app.make({ version: "1.0.2", blocks: 6, head: bytes });
}

async function codeOfPromise(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return String(Reflect.get(Object(error), "code"));
  }
  return "accepted";
}

test("makes the announced file from peers' chunks and its own", async () => {
  const release = changedIn(2, 5);
  source.publish(release);
  const { path, executable } = await fill(release);
  expect(readFileSync(path).toHex()).toBe(release.file.toHex());
  expect(executable.record.record.version.text).toBe("1.0.2");
  expect(source.chunks).toBe(2);
  const total = [2, 5].reduce((sum, index) => sum + release.table.rangeOf(index).sizeBytes, 0);
  expect(progress[0]).toEqual([0, total]);
  expect(progress.at(-1)).toEqual([total, total]);
  expect(told.at(-1)).toMatchObject({
    reusedBytes: release.bytes.length - total,
    wireBytes: total,
    providers: 1,
    secondsLeft: 0,
  });
  expect(told.at(-1)?.bytesPerSecond).toBeGreaterThan(0);
});

test("fetches everything when nothing is the same, of whatever length", async () => {
  for (const blocks of [1, 6, 9]) {
    const release = app.make({ version: "1.0.1", blocks, salt: 3 });
    source.publish(release);
    const { path } = await fill(release);
    expect(readFileSync(path).toHex()).toBe(release.file.toHex());
  }
});

test("fetches nothing when only the region is new", async () => {
  const release = app.make({ version: "1.0.1", blocks: 6 });
  source.publish(release);
  const { path } = await fill(release);
  expect(readFileSync(path).toHex()).toBe(release.file.toHex());
  expect(source.chunks).toBe(0);
});

test("fetches everything once its own file has changed under it", async () => {
  const release = changedIn(2);
  source.publish(release);
  const file = readFileSync(app.path);
  const at = release.table.rangeOf(3).offset + REGION_BYTES + 7;
  file[at] = (file[at] ?? 0) ^ 1;
  writeFileSync(app.path, file);
  const by = fetcher();
  expect(await codeOfPromise(fill(release, by))).toBe("LOCAL_CHUNK_CHANGED");
  const { path } = await fill(release, by);
  expect(readFileSync(path).toHex()).toBe(release.file.toHex());
  // What the first attempt has written is in the file: the chunk it fetched, and the two it copied.
  expect(source.chunks).toBe(1 + release.table.count - 3);
});

/** A region that passes every check that can be made without the file: only the tunables are other. */
function forgedRegion(release: TestRelease, host: string): Uint8Array {
  const { core, extension } = decodeRegion(release.region);
  if (extension === undefined) throw new Error("no extension");
  return encodeRegion(core, { ...extension, bootstrap: [host] });
}

describe("a peer that announces a region with other settings in it", () => {
  test("is found out by the finished file, and costs no chunk twice", async () => {
    const release = changedIn(1, 2, 3);
    source.publish(release);
    source.wrongRegions = ["evil-1:1", "evil-2:1"].map((host) => forgedRegion(release, host));
    const { path } = await fill(release);
    expect(readFileSync(path).toHex()).toBe(release.file.toHex());
    expect(source.chunks).toBe(3);
    expect(source.fetches).toHaveLength(3);
  });

  test("is not believed a second time in a later attempt", async () => {
    const release = changedIn(1);
    source.publish(release);
    source.wrongRegions = [forgedRegion(release, "evil:1")];
    const by = fetcher();
    await fill(release, by);
    await fill(release, by);
    // One more request in the first attempt, none in the second.
    expect(source.fetches).toHaveLength(3);
  });

  test("cannot hide a second marker in it", async () => {
    const release = changedIn(1);
    source.publish(release);
    source.wrongRegions = [forgedRegion(release, new TextDecoder().decode(MARKER))];
    const { path } = await fill(release);
    expect(readFileSync(path).toHex()).toBe(release.file.toHex());
  });

  test("cannot keep it busy for ever", async () => {
    const release = changedIn(1);
    source.publish(release);
    source.wrongRegions = Array.from({ length: 30 }, (_, n) =>
      forgedRegion(release, `evil:${n + 1}`),
    );
    expect(await codeOfPromise(fill(release))).toBe("HASH_MISMATCH");
    expect(source.fetches).toHaveLength(8);
  });
});

test("stops when told to", async () => {
  const release = changedIn(1, 2, 3);
  source.publish(release);
  source.beforeChunk = () => stop.abort();
  expect(await codeOfPromise(fill(release))).toBe("STOPPED");
});

describe("step 6 refuses a finished file", () => {
  /** Writes `file` as it is and verifies it as the update to `release`. */
  function verdict(release: TestRelease, file: Uint8Array, region = release.region): string {
    const assembly = begin(release);
    assembly.write(0, release.bytes);
    writeFileSync(assembly.file.fd, file);
    return codeOf(() => verifyUpdate(assembly, app.candidate(release), region, app.own.owner));
  }

  test("with one changed byte, wherever it is", () => {
    const release = app.make({ version: "1.0.1", salt: 2 });
    expect(verdict(release, release.file)).toBe("accepted");
    const offsets = Array.from({ length: 40 }, (_, n) =>
      Math.floor((n * release.file.length) / 40),
    );
    for (const at of [...offsets, release.file.length - 1]) {
      const file = release.file.slice();
      file[at] = (file[at] ?? 0) ^ 1;
      expect([at, verdict(release, file)]).not.toEqual([at, "accepted"]);
    }
  });

  test("with its region at another offset (A7)", () => {
    const release = app.make({ version: "1.0.1", salt: 2 });
    for (let n = 0; n < 20; n++) {
      const offset = 64 + Math.floor((n * (release.bytes.length - 64)) / 20);
      const moved = Buffer.concat([
        release.bytes.subarray(0, offset),
        release.region,
        release.bytes.subarray(offset),
      ]);
      expect([offset, verdict(release, moved)]).toEqual([offset, "RECORD_MISMATCH"]);
    }
  });

  test("that is another valid release of the owner", () => {
    const release = app.make({ version: "1.0.1", salt: 2 });
    const other = app.make({ version: "1.0.1", salt: 2 });
    expect(verdict(release, other.file, other.region)).toBe("NOT_AS_ANNOUNCED");
  });

  test("whose region is not, byte for byte, the announced one", () => {
    const release = app.make({ version: "1.0.1", salt: 2 });
    expect(verdict(release, release.file, forgedRegion(release, "evil:1"))).toBe(
      "NOT_AS_ANNOUNCED",
    );
  });

  test("of another owner", () => {
    const release = app.make({ version: "1.0.1", salt: 2 });
    const other = new InstalledApp({ version: "1.0.1" });
    expect(verdict(release, other.release.file, other.release.region)).toBe("OWNER_MISMATCH");
    other.remove();
  });

  test("that is not an executable, although its owner signed it", () => {
    const release = makeRelease(app.seed, { version: "1.0.1", publishedS: 1_780_000_500, salt: 4 });
    expect(verdict(release, release.file)).toBe("FORMAT_UNKNOWN");
  });

  test("that is longer or shorter by a byte", () => {
    const release = app.make({ version: "1.0.1", salt: 2 });
    expect(verdict(release, Buffer.concat([release.file, Buffer.of(0)]))).toBe("SIZE_MISMATCH");
  });
});

test("works in one file of its own beside the executable", () => {
  const release = app.make({ version: "1.0.1", salt: 2 });
  begin(release);
  const names = readdirSync(app.directory).filter((name) => name !== "app");
  expect(names).toEqual([".app.rustpatcher-partial"]);
});
