/** Providers that lie to a real copy: nothing changes on disk, and an honest one still gets through. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import { signRecord, type ReleaseRecord } from "../../src/core/release-record.ts";
import { parseVersion } from "../../src/core/version.ts";
import type { Holding } from "../../src/swarm/holdings.ts";
import type { AppProcess } from "../helpers/app-process.ts";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { RELEASES_START_S } from "../helpers/e2e-world.ts";
import { digestOf } from "../helpers/installed.ts";
import { ELF_HEADER, makeRelease } from "../helpers/release.ts";
import { until } from "../helpers/swarm-world.ts";

const TIMEOUT_MS = 60_000;
const WAIT_MS = 15_000;
const { world } = setUpE2e();

/** The old version installed, the new one only as bytes that nobody serves honestly yet. */
async function victim(): Promise<{ path: string; next: string; honest: Holding }> {
  const path = await world.release({ version: "1.0.0" });
  const next = await world.release({ version: "1.0.1", build: "two" });
  return { path, next, honest: world.holding(next) };
}

/** The copy has talked to the liar and looked again, and is what it was. */
async function unmoved(app: AppProcess, path: string, digest: string): Promise<void> {
  await app.event("checking", app.all("checking").length + 2);
  expect(digestOf(path)).toBe(digest);
  expect(app.all("start")).toHaveLength(1);
  for (const name of ["verified", "applied", "restarting"]) expect(app.all(name)).toEqual([]);
  const strays = readdirSync(dirname(path)).filter((name) => name.endsWith("rustpatcher-tmp"));
  expect(strays).toEqual([]);
}

/** The same copy, once an honest provider comes (I5). */
async function recovers(app: AppProcess, path: string, next: string): Promise<void> {
  await world.run(next);
  expect(await app.event("start", 2)).toMatchObject({ version: "1.0.1", pid: app.pid });
  expect(digestOf(path)).toBe(digestOf(next));
}

const altered = (honest: Holding, fields: Partial<ReleaseRecord>): ReleaseRecord => ({
  ...honest.record.record,
  publishedS: honest.record.record.publishedS + 50,
  ...fields,
});

test(
  "a record that the owner has not signed is not believed",
  async () => {
    const { path, next, honest } = await victim();
    const record = altered(honest, { version: parseVersion("999.0.0") });
    // Signed by somebody, for the right app, target and channel; and a right one with a wrong signature.
    const foreign = signRecord(generateSeed(), record);
    const broken = { ...honest.record, signature: foreign.signature };
    const liars = [await world.provider(foreign, honest), await world.provider(broken, honest)];
    const digest = digestOf(path);
    const app = await world.run(path);
    await until(
      () => liars.every((liar) => liar.connections > 0),
      "the liars to be asked",
      WAIT_MS,
    );
    await unmoved(app, path, digest);
    expect(app.all("available")).toEqual([]);
    await recovers(app, path, next);
  },
  TIMEOUT_MS,
);

test(
  "a record of the owner for another target is not for us",
  async () => {
    const { path, next, honest } = await victim();
    const target = process.arch === "x64" ? "linux-arm64" : "linux-x64";
    const record = signRecord(
      world.seed,
      altered(honest, { target, version: parseVersion("2.0.0") }),
    );
    const liar = await world.provider(record, honest);
    const digest = digestOf(path);
    const app = await world.run(path);
    await until(() => liar.connections > 0, "the liar to be asked", WAIT_MS);
    await unmoved(app, path, digest);
    expect(app.all("available")).toEqual([]);
    await recovers(app, path, next);
  },
  TIMEOUT_MS,
);

test(
  "a lower version is refused although the owner has signed it later",
  async () => {
    const { path, honest } = await victim();
    const record = signRecord(world.seed, altered(honest, { version: parseVersion("0.9.0") }));
    await world.provider(record, honest);
    const digest = digestOf(path);
    const app = await world.run(path);
    expect(await app.event("error")).toMatchObject({ code: "VERSION_BELOW_FLOOR" });
    await unmoved(app, path, digest);
    // What repairs it: a later release with a higher version.
    const later = await world.release({
      version: "1.0.2",
      build: "two",
      publishedS: record.record.publishedS + 10,
    });
    await world.run(later);
    expect(await app.event("start", 2)).toMatchObject({ version: "1.0.2" });
  },
  TIMEOUT_MS,
);

/** `honest`, with one bit of one byte in every piece that the old version does not have changed. */
function tampered(honest: Holding): Holding {
  const { stream } = honest;
  return {
    ...honest,
    stream: {
      sizeBytes: stream.sizeBytes,
      read(offset, sizeBytes) {
        const bytes = stream.read(offset, sizeBytes).slice();
        bytes[17] = (bytes[17] ?? 0) ^ 1;
        return bytes;
      },
    },
  };
}

test(
  "a tampered chunk is not taken; the same provider without the tampering is",
  async () => {
    const { path, next, honest } = await victim();
    await world.provider(honest.record, tampered(honest));
    const digest = digestOf(path);
    const app = await world.run(path);
    // The record is real, so it is tried.
    await app.event("available");
    await app.event("progress");
    await app.event("checking", app.all("checking").length + 1, 1_000).catch(() => undefined);
    expect(digestOf(path)).toBe(digest);
    expect(app.all("verified")).toEqual([]);
    await world.provider(honest.record, honest);
    expect(await app.event("start", 2)).toMatchObject({ version: "1.0.1", pid: app.pid });
    expect(digestOf(path)).toBe(digestOf(next));
  },
  TIMEOUT_MS,
);

test(
  "a region with settings that the owner has not signed is refused before any chunk, and another one taken",
  async () => {
    const { path, next, honest } = await victim();
    const region = honest.region.slice();
    // The mode, which nothing in the region's core shows to be another: the record's digest of the settings does.
    const at = Buffer.from(region).indexOf("now");
    expect(at).toBeGreaterThan(176);
    region.set(Buffer.from("xyz"), at);
    const liar = await world.provider(honest.record, { ...honest, region });
    const digest = digestOf(path);
    const app = await world.run(path);
    await app.event("available");
    await until(() => liar.connections > 0, "the liar to be asked", WAIT_MS);
    await until(() => liar.connections === 0, "the liar to be left", WAIT_MS);
    expect(app.all("progress")).toEqual([]);
    expect(digestOf(path)).toBe(digest);
    await recovers(app, path, next);
  },
  TIMEOUT_MS,
);

test(
  "a release that cannot be started is not installed, and not tried again (H3)",
  async () => {
    const { path } = await victim();
    // Signed and well-formed as far as its header goes, but no kernel runs it.
    const name = { app: "fixture", target: `linux-${process.arch}`, channel: "stable" };
    const version = "1.0.5";
    const broken = makeRelease(world.seed, {
      version,
      name,
      head: ELF_HEADER,
      publishedS: RELEASES_START_S + 50_000,
    });
    await world.provider(broken.record, broken);
    const digest = digestOf(path);
    const app = await world.run(path);
    expect(await app.event("error")).toMatchObject({ code: "REHEARSAL_FAILED" });
    expect(digestOf(path)).toBe(digest);
    await app.until(() => app.all("error").some(({ code }) => code === "REFUSED"), "the refusal");
    expect(app.all("verified")).toHaveLength(1);
    expect(app.all("applied")).toEqual([]);
    expect(app.all("start")).toHaveLength(1);
    expect(digestOf(path)).toBe(digest);
    const later = await world.release({ version: "10.0.0", build: "two" });
    await world.run(later);
    expect(await app.event("start", 2)).toMatchObject({ version: "10.0.0", pid: app.pid });
  },
  TIMEOUT_MS,
);
