import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { decodeRegion, encodeRegion } from "../../src/exe/full-region.ts";
import type { FirstFile } from "../../src/release/first-file.ts";
import { installFirst } from "../../src/release/first-install.ts";
import { fastClock } from "../helpers/clock.ts";
import { APP, type TestRelease } from "../helpers/release.ts";
import { SwarmWorld } from "../helpers/swarm-world.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";

const NOW_S = Math.floor(Date.now() / 1000);
let world: SwarmWorld;
let directory: string;

beforeEach(async () => {
  world = await SwarmWorld.create();
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-first-"));
});
afterEach(async () => {
  await world.destroy();
  rmSync(directory, { recursive: true, force: true });
});

const install = (clock: Clock = systemClock): Promise<FirstFile> =>
  installFirst({
    owner: world.owner,
    name: APP,
    out: join(directory, "app"),
    sharedSecret: undefined,
    bootstrap: world.net.bootstrap,
    clock,
    log: () => undefined,
    onFound: () => undefined,
    onProgress: () => undefined,
    signal: AbortSignal.timeout(15_000),
  });

/** The region of a release with another update mode in it: signed core and record, changed extension. */
function changedRegion({ region }: TestRelease): Uint8Array {
  const { core, extension } = decodeRegion(region);
  if (extension === undefined) throw new Error("no extension");
  return encodeRegion(core, { ...extension, mode: "manual" });
}

test("a region that only the whole file proves wrong: alone refused, with an honest peer installed", async () => {
  const release = world.release({
    version: "1.0.1",
    blocks: 2,
    header: tinyElf(),
    publishedS: NOW_S,
  });
  const liar = await world.swarm();
  liar.serve({ ...release, region: changedRegion(release) });
  await liar.discover();
  const alone = await install(fastClock(20)).catch((error: unknown) => error);
  expect(alone).toMatchObject({ code: "NO_PROVIDER" });
  // The chunks were right: they wait for a region that is.
  expect(readdirSync(directory)).toEqual([".app.rustpatcher-partial"]);
  const honest = await world.swarm();
  honest.serve(release);
  await honest.discover();
  expect((await install()).version).toBe("1.0.1");
  const installed = await Bun.file(join(directory, "app")).bytes();
  expect(Buffer.compare(installed, release.file)).toBe(0);
  expect(readdirSync(directory)).toEqual(["app"]);
}, 20_000);

test("a file that is there is replaced whole, and is executable afterwards", async () => {
  const release = world.release({
    version: "1.0.1",
    blocks: 2,
    header: tinyElf(),
    publishedS: NOW_S,
  });
  writeFileSync(join(directory, "app"), "old", { mode: 0o600 });
  const publisher = await world.swarm();
  publisher.serve(release);
  await publisher.discover();
  expect(await install()).toEqual({ version: "1.0.1", sizeBytes: release.file.length });
  expect(statSync(join(directory, "app")).mode & 0o777).toBe(0o755);
}, 10_000);

test("E4: an expired release is found and not installed", async () => {
  const expired = world.release({
    version: "1.0.1",
    blocks: 2,
    header: tinyElf(),
    publishedS: NOW_S - 100,
    expiresS: NOW_S - 50,
  });
  const publisher = await world.swarm();
  publisher.serve(expired);
  await publisher.discover();
  expect(await install(fastClock(60)).catch((error: unknown) => error)).toMatchObject({
    code: "NO_RELEASE",
  });
  expect(readdirSync(directory)).toEqual([]);
}, 15_000);
