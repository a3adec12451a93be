import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { sha256 } from "../../src/core/hash.ts";
import { parseVersion } from "../../src/core/version.ts";
import type { UpdateMode } from "../../src/core/update-mode.ts";
import { SwarmError } from "../../src/swarm/error.ts";
import { DurableState } from "../../src/update/durable-state.ts";
import { UpdateError } from "../../src/update/error.ts";
import type { UpdateEvent } from "../../src/update/events.ts";
import { tryLock } from "../../src/fs/lock.ts";
import { TrustedState } from "../../src/update/trusted-state.ts";
import { Updater } from "../../src/update/updater.ts";
import { FakeClock } from "../helpers/clock.ts";
import { InstalledApp, START_S } from "../helpers/installed.ts";
import { MemorySource } from "../helpers/memory-source.ts";
import type { TestRelease } from "../helpers/release.ts";

const INTERVAL_MS = 60_000;
/** Ten minutes after the first release. */
const NOW_MS = (START_S + 600) * 1_000;
/** Real time a cycle may take; all of its work is local. */
const SETTLE_TIMEOUT_MS = 5_000;

let app: InstalledApp;
let source: MemorySource;
let clock: FakeClock;
let events: UpdateEvent[];
let logs: string[];
let restarts: number;
let rehearsals: number;
/** What the rehearsal of a new version ends with. */
let stageFright: Error | undefined;
const updaters: Updater[] = [];

beforeEach(() => {
  app = new InstalledApp({ blocks: 3 });
  source = new MemorySource();
  clock = new FakeClock(NOW_MS);
  events = [];
  logs = [];
  restarts = 0;
  rehearsals = 0;
  stageFright = undefined;
});
afterEach(async () => {
  for (const updater of updaters.splice(0)) await updater.stop();
  app.remove();
});

function updater(
  mode: UpdateMode,
  from: MemorySource = source,
  intervalMs: number = INTERVAL_MS,
): Updater {
  const log = (level: string, text: string): void => void logs.push(`${level}: ${text}`);
  const { installation, own } = app;
  const trusted = new TrustedState(own.record);
  const made = new Updater({
    installation,
    own,
    state: new DurableState(trusted, { installation, owner: own.owner, log, nowMs: NOW_MS }),
    source: from,
    mode,
    intervalMs,
    clock,
    random: () => 0.5,
    emit: (event) => void events.push(event),
    log,
    rehearse: async () => {
      rehearsals++;
      if (stageFright !== undefined) throw stageFright;
    },
    restart: () => void restarts++,
  });
  updaters.push(made);
  return made;
}

const names = (): string[] => events.map(({ name }) => name);
const codes = (): string[] =>
  events.flatMap((event) => (event.name === "error" ? [event.error.code] : []));
const warnings = (): string[] => logs.filter((line) => line.startsWith("warn"));
const next = (): TestRelease => app.make({ version: "1.0.1", blocks: 3, salt: 2 });

async function until(isDone: () => boolean): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + SETTLE_TIMEOUT_MS;
  while (!isDone()) {
    if (systemClock.monotonicMs() > deadlineMs) throw new Error(`only saw ${names().join(" ")}`);
    await Bun.sleep(1);
  }
}

/** Lets the next cycle run and waits until its successor is scheduled and nothing more happens. */
async function cycle(byMs = 2 * INTERVAL_MS): Promise<void> {
  clock.advance(byMs);
  for (let quiet = 0, seen = -1; quiet < 3; quiet++) {
    await until(() => clock.pending > 0 || restarts > 0);
    await Bun.sleep(1);
    if (events.length + logs.length !== seen) quiet = 0;
    seen = events.length + logs.length;
  }
}

function installedVersion(release: TestRelease): boolean {
  return app.digest() === sha256(release.file).toHex();
}

describe("a rehearsal", () => {
  test("that fails for good leaves everything as it was and refuses the release, not its successor", async () => {
    source.publish(next());
    stageFright = new UpdateError("REHEARSAL_FAILED", "it crashed", { blame: "artifact" });
    const before = app.digest();
    updater({ kind: "now" }).start();
    await cycle(0);
    await cycle();
    await cycle();
    expect([rehearsals, restarts, app.digest()]).toEqual([1, 0, before]);
    expect(codes()).toContain("REHEARSAL_FAILED");
    expect(codes()).toContain("REFUSED");
    stageFright = undefined;
    const later = app.make({ version: "1.0.2", blocks: 3, salt: 3 });
    source.publish(later);
    await cycle();
    await until(() => restarts === 1);
    expect(installedVersion(later)).toBe(true);
  });

  test("that was too slow is tried again", async () => {
    const release = next();
    source.publish(release);
    stageFright = new UpdateError("TOO_SLOW", "it was slow", { blame: "artifact" });
    updater({ kind: "now" }).start();
    await cycle(0);
    expect([rehearsals, restarts, installedVersion(release)]).toEqual([1, 0, false]);
    stageFright = undefined;
    await cycle();
    await until(() => restarts === 1);
    expect([rehearsals, installedVersion(release)]).toEqual([2, true]);
  });
});

describe("mode now", () => {
  test("goes through the steps in order and asks for a restart", async () => {
    const release = next();
    source.publish(release);
    updater({ kind: "now" }).start();
    await cycle(0);
    await until(() => restarts === 1);
    expect([...new Set(names())]).toEqual([
      "checking",
      "available",
      "progress",
      "verified",
      "applied",
      "restarting",
    ]);
    expect(installedVersion(release)).toBe(true);
    expect(clock.pending).toBe(0);
    expect(events.at(-1)).toEqual({
      name: "restarting",
      release: {
        version: "1.0.1",
        sizeBytes: release.file.length,
        publishedS: release.record.record.publishedS,
        critical: false,
      },
    });
  });

  test("does nothing but look while there is nothing newer", async () => {
    source.publish(app.release);
    updater({ kind: "now" }).start();
    for (let n = 0; n < 3; n++) await cycle();
    expect(names()).toEqual(["checking", "checking", "checking"]);
    expect(readdirSync(app.directory)).toEqual(["app"]);
  });

  test("takes a record that the swarm has heard of without waiting for the next look", async () => {
    const running = updater({ kind: "now" });
    running.start();
    await cycle(0);
    const release = next();
    source.publish(release);
    running.noticed(release.record);
    await cycle(0);
    await until(() => restarts === 1);
    expect(source.discoveries).toBe(1);
    expect(installedVersion(release)).toBe(true);
  });

  test("leaves a download for a newer release that comes in meanwhile", async () => {
    source.publish(next());
    const { promise, resolve } = Promise.withResolvers<void>();
    let blocks = 0;
    source.beforeChunk = () => (++blocks === 2 ? promise : undefined);
    const running = updater({ kind: "now" });
    running.start();
    clock.advance(0);
    await until(() => blocks === 2);
    const newest = app.make({ version: "1.0.2", blocks: 3, salt: 3 });
    source.publish(newest);
    running.noticed(newest.record);
    resolve();
    await cycle(0);
    await until(() => restarts === 1);
    expect(source.fetches).toEqual(["1.0.1", "1.0.2"]);
    expect(installedVersion(newest)).toBe(true);
    expect(warnings()).toEqual([]);
  });

  test("does not need the DHT for a release it has heard of", async () => {
    const release = next();
    source.publish(release);
    source.discoverError = new SwarmError("DHT", "no network", { blame: "local" });
    const running = updater({ kind: "now" });
    running.start();
    running.noticed(release.record);
    await cycle(0);
    await until(() => restarts === 1);
    expect(installedVersion(release)).toBe(true);
  });
});

describe("mode on-restart", () => {
  test("installs, serves the new version, and leaves the process alone", async () => {
    const release = next();
    source.publish(release);
    updater({ kind: "on-restart" }).start();
    for (let n = 0; n < 3; n++) await cycle();
    expect(installedVersion(release)).toBe(true);
    expect(restarts).toBe(0);
    expect(names().filter((name) => name === "applied")).toHaveLength(1);
    const [served] = source.served;
    expect(served?.record.record.version.text).toBe("1.0.1");
    expect(served?.stream.read(0, release.bytes.length).toHex()).toBe(release.bytes.toHex());
  });

  test("installs the next one as well, without a restart in between", async () => {
    source.publish(next());
    updater({ kind: "on-restart" }).start();
    await cycle();
    const second = app.make({ version: "1.0.2", blocks: 3, salt: 3 });
    source.publish(second);
    await cycle();
    expect(installedVersion(second)).toBe(true);
    expect(source.served.map(({ record }) => record.record.version.text)).toEqual([
      "1.0.1",
      "1.0.2",
    ]);
  });
});

test("a release that nobody has at the moment is tried again soon, however seldom there is a look", async () => {
  const release = next();
  source.newest = release.record;
  updater({ kind: "now" }, source, 24 * 3_600_000).start();
  await cycle(0);
  await cycle(90_000);
  expect(codes()).toEqual(["NO_PROVIDER", "NO_PROVIDER"]);
  source.publish(release);
  await cycle(90_000);
  await until(() => restarts === 1);
  expect(installedVersion(release)).toBe(true);
  expect(source.discoveries).toBe(3);
});

test("a look that nobody answered is taken again soon, however seldom there is one", async () => {
  const release = next();
  source.hasReached = false;
  updater({ kind: "now" }, source, 24 * 3_600_000).start();
  await cycle(0);
  await cycle(90_000);
  expect(source.discoveries).toBe(2);
  source.hasReached = true;
  await cycle(90_000);
  await cycle(90_000);
  expect(source.discoveries).toBe(3);
  source.publish(release);
  await cycle(24 * 3_600_000);
  await until(() => restarts === 1);
  expect(installedVersion(release)).toBe(true);
});

describe("mode manual", () => {
  test("says what is there and fetches nothing", async () => {
    source.publish(next());
    const running = updater({ kind: "manual" });
    running.start();
    for (let n = 0; n < 3; n++) await cycle();
    expect(names()).toEqual(["checking", "available", "checking", "checking"]);
    expect(source.fetches).toEqual([]);
    expect((await running.check())?.version).toBe("1.0.1");
    expect(source.fetches).toEqual([]);
  });

  test("installs and restarts when told to", async () => {
    const release = next();
    source.publish(release);
    const running = updater({ kind: "manual" });
    expect((await running.apply())?.version).toBe("1.0.1");
    expect(installedVersion(release)).toBe(true);
    expect(restarts).toBe(1);
  });

  test("answers a check and an apply with nothing when there is nothing", async () => {
    source.publish(app.release);
    const running = updater({ kind: "manual" });
    expect(await running.check()).toBeUndefined();
    expect(await running.apply()).toBeUndefined();
    expect(restarts).toBe(0);
  });

  test("tells the caller why an apply failed, and can be asked again", async () => {
    const release = next();
    source.newest = release.record;
    const running = updater({ kind: "manual" });
    const outcome = await running.apply().catch((cause: SwarmError) => cause.code);
    expect(outcome).toBe("NO_PROVIDER");
    source.publish(release);
    expect((await running.apply())?.version).toBe("1.0.1");
  });
});

describe("mode at", () => {
  test("installs at once and restarts at the time, once", async () => {
    const zone = process.env["TZ"];
    process.env["TZ"] = "UTC";
    const before = new Date(NOW_MS);
    const due = new Date(NOW_MS + 3 * 3_600_000);
    source.publish(next());
    const mode = { kind: "at", hour: due.getHours(), minute: due.getMinutes() } as const;
    updater(mode).start();
    clock.advance(0);
    await until(() => names().includes("applied"));
    expect(restarts).toBe(0);
    clock.advance(3 * 3_600_000 - before.getSeconds() * 1_000 - 20_000);
    await Bun.sleep(5);
    expect(restarts).toBe(0);
    clock.advance(60_000);
    await until(() => restarts === 1);
    clock.advance(24 * 3_600_000);
    await Bun.sleep(5);
    expect(restarts).toBe(1);
    process.env["TZ"] = zone ?? "UTC";
  });

  test("what was started at the time does not restart in that minute again, nor when the clock is set back", async () => {
    const now = new Date(NOW_MS);
    const mode = { kind: "at", hour: now.getHours(), minute: now.getMinutes() } as const;
    // The release that was waited for is the one that runs now, and it is still the newest there is.
    source.publish(app.release);
    updater(mode).start();
    await cycle(0);
    clock.advance(60_000);
    clock.jump(-3_600_000);
    for (let hours = 0; hours < 26; hours++) {
      clock.advance(3_600_000);
      await Bun.sleep(1);
    }
    expect(names()).toContain("checking");
    expect(restarts).toBe(0);
  });
});

describe("a withdrawn version", () => {
  const good = (): TestRelease =>
    app.make({ version: "1.0.0", blocks: 3, salt: 7, publishedS: START_S - 10, isPinned: true });
  /** The same executable, announced anew as the one to go back to. */
  const withdrawal = (upTo: string, publishedS = START_S + 100): TestRelease =>
    app.make({
      version: "1.0.0",
      blocks: 3,
      salt: 7,
      isPinned: true,
      publishedS,
      x: { withdrawn: parseVersion(upTo) },
    });

  function publishWithdrawal(upTo = "2.0.0"): TestRelease {
    const release = good();
    source.publish(release);
    source.newest = withdrawal(upTo).record;
    return release;
  }

  beforeEach(() => {
    app.remove();
    app = new InstalledApp({ version: "2.0.0", blocks: 3 });
  });

  test("goes back by the rollback copy, without a download", async () => {
    const release = publishWithdrawal();
    writeFileSync(app.installation.previousPath, release.file, { mode: 0o755 });
    updater({ kind: "now" }).start();
    await cycle(0);
    await until(() => restarts === 1);
    expect(installedVersion(release)).toBe(true);
    expect([source.fetches, rehearsals]).toEqual([[], 0]);
    expect(names()).toEqual(["checking", "withdrawn", "applied", "restarting"]);
    expect(events[1]).toMatchObject({ version: "2.0.0", release: { version: "1.0.0" } });
    expect(warnings()).toEqual([
      "warn: version 2.0.0 was withdrawn by its owner; going back to 1.0.0",
    ]);
  });

  test("goes back by what others have, when the rollback copy is another version", async () => {
    const release = publishWithdrawal();
    const other = app.make({ version: "1.5.0", salt: 9, publishedS: START_S - 5 });
    writeFileSync(app.installation.previousPath, other.file, { mode: 0o755 });
    updater({ kind: "now" }).start();
    await cycle(0);
    await until(() => restarts === 1);
    expect(installedVersion(release)).toBe(true);
    expect([source.fetches, rehearsals]).toEqual([["1.0.0"], 1]);
  });

  test("does not go back to a rollback copy with other settings or content", async () => {
    const release = publishWithdrawal();
    const other = { blocks: 3, salt: 7, publishedS: START_S - 20, isPinned: true };
    const manual = app.make({ version: "1.0.0", ...other, mode: "manual" });
    writeFileSync(app.installation.previousPath, manual.file, { mode: 0o755 });
    updater({ kind: "now" }).start();
    await cycle(0);
    await until(() => restarts === 1);
    expect(installedVersion(release)).toBe(true);
    expect(source.fetches).toEqual(["1.0.0"]);
  });

  test("stays when the withdrawal is of a lower version", async () => {
    publishWithdrawal("1.9.0");
    const before = app.digest();
    const running = updater({ kind: "now" });
    running.start();
    await cycle(0);
    expect(codes()).toEqual(["VERSION_BELOW_FLOOR"]);
    expect([app.digest(), restarts]).toEqual([before, 0]);
  });

  test("is only told of in mode manual, until the app says so", async () => {
    const release = publishWithdrawal();
    const running = updater({ kind: "manual" });
    running.start();
    await cycle(0);
    expect(names()).toEqual(["checking", "withdrawn"]);
    expect(source.fetches).toEqual([]);
    expect((await running.apply())?.version).toBe("1.0.0");
    expect(installedVersion(release)).toBe(true);
  });

  test("that was not started yet is taken back to what runs, and nothing is restarted", async () => {
    app.remove();
    app = new InstalledApp({
      version: "1.0.0",
      blocks: 3,
      salt: 7,
      publishedS: START_S - 10,
      isPinned: true,
    });
    const second = app.make({ version: "2.0.0", blocks: 3, salt: 8 });
    source.publish(second);
    const running = updater({ kind: "on-restart" });
    running.start();
    await cycle(0);
    expect(installedVersion(second)).toBe(true);
    source.newest = withdrawal("2.0.0").record;
    await cycle();
    expect(installedVersion(app.release)).toBe(true);
    expect(await running.apply()).toBeUndefined();
    expect(restarts).toBe(0);
    const third = app.make({ version: "2.0.1", blocks: 3, salt: 9, publishedS: START_S + 200 });
    source.publish(third);
    await cycle();
    expect(installedVersion(third)).toBe(true);
  });

  test("that another copy has left already is left as well", async () => {
    const release = publishWithdrawal();
    const running = updater({ kind: "now" });
    const beside = `${app.path}.new`;
    writeFileSync(beside, release.file, { mode: 0o755 });
    renameSync(beside, app.path);
    running.start();
    await cycle(0);
    await until(() => restarts === 1);
    expect(source.fetches).toEqual([]);
    expect(installedVersion(release)).toBe(true);
  });
});

describe("release notes", () => {
  test("come with what is available, before anything else is fetched", async () => {
    const release = app.make({ version: "1.0.1", blocks: 3, salt: 2, notes: "Fixes\n- one" });
    source.publish(release);
    const running = updater({ kind: "manual" });
    running.start();
    await cycle(0);
    expect(events.at(-1)).toMatchObject({ name: "available", release: { notes: "Fixes\n- one" } });
    expect(source.chunks).toBe(0);
    expect((await running.check())?.notes).toBe("Fixes\n- one");
  });

  test("that are not those which were signed are not shown, nor waited for", async () => {
    const other = app.make({ version: "1.0.1", blocks: 3, salt: 2, isPinned: true, notes: "lies" });
    source.publish(other);
    // The same executable under a record with other notes, as after signing it anew.
    source.newest = app.make({
      version: "1.0.1",
      blocks: 3,
      salt: 2,
      isPinned: true,
      notes: "true",
    }).record;
    updater({ kind: "now" }).start();
    await cycle(0);
    await until(() => restarts === 1);
    const available = events.find(({ name }) => name === "available");
    expect(available).toMatchObject({ release: { version: "1.0.1" } });
    expect(JSON.stringify(events)).not.toContain("notes");
    expect(installedVersion(other)).toBe(true);
  });
});

describe("failures", () => {
  test("never stop later attempts, and come ever more rarely", async () => {
    const release = next();
    source.publish(release);
    source.beforeChunk = () => {
      throw new Error("the disk is full");
    };
    updater({ kind: "now" }).start();
    for (let n = 0; n < 120; n++) await cycle(INTERVAL_MS);
    // Two hours: three tries in a row, then after 2, 4, 8, 16, 32 minutes and an hour.
    expect(source.fetches.length).toBeGreaterThanOrEqual(6);
    expect(source.fetches.length).toBeLessThanOrEqual(10);
    expect(warnings()).toEqual(["warn: the disk is full"]);
    expect(installedVersion(app.release)).toBe(true);
    expect(readdirSync(app.directory).filter((name) => name.endsWith("-tmp"))).toEqual([]);
    source.beforeChunk = () => undefined;
    // The next attempt is within one and a half hours.
    for (let n = 0; n < 90 && !names().includes("restarting"); n++) await cycle(INTERVAL_MS);
    await until(() => restarts === 1);
    expect(installedVersion(release)).toBe(true);
  });

  test("are not counted when nobody has the release yet", async () => {
    const release = next();
    source.newest = release.record;
    updater({ kind: "now" }).start();
    for (let n = 0; n < 20; n++) await cycle(INTERVAL_MS);
    expect(source.fetches).toHaveLength(20);
    expect(warnings()).toEqual([]);
    source.publish(release);
    await cycle(INTERVAL_MS);
    await until(() => restarts === 1);
  });

  test("a read-only directory costs no download, one warning, and no restart", async () => {
    source.publish(next());
    chmodSync(app.directory, 0o555);
    updater({ kind: "now" }).start();
    for (let n = 0; n < 30; n++) await cycle(INTERVAL_MS);
    chmodSync(app.directory, 0o755);
    expect(source.fetches).toEqual([]);
    expect(warnings()).toHaveLength(1);
    expect(codes().every((code) => code === "DIRECTORY_READ_ONLY")).toBe(true);
    expect(codes().length).toBeLessThanOrEqual(10);
    expect(restarts).toBe(0);
    expect(readdirSync(app.directory)).toEqual(["app"]);
  });

  test("a refused record changes nothing and is said once", async () => {
    source.newest = app.make({ version: "0.9.0", blocks: 3, salt: 2 }).record;
    updater({ kind: "now" }).start();
    for (let n = 0; n < 3; n++) await cycle();
    expect(codes()).toEqual(["VERSION_BELOW_FLOOR", "VERSION_BELOW_FLOOR", "VERSION_BELOW_FLOOR"]);
    expect(warnings()).toHaveLength(1);
    expect(source.fetches).toEqual([]);
    const good = next();
    source.publish(good);
    await cycle();
    await until(() => restarts === 1);
    expect(installedVersion(good)).toBe(true);
  });

  test("an old newest record is told of once, with its age, and a newer one ends it (E5)", async () => {
    source.publish(app.release);
    clock = new FakeClock((START_S + 40 * 86_400) * 1_000 + 5_000);
    updater({ kind: "now" }).start();
    for (let n = 0; n < 3; n++) await cycle();
    expect(events.filter(({ name }) => name === "error")).toEqual([
      {
        name: "error",
        error: {
          code: "FREEZE_SUSPECTED",
          message: "the newest release that was found is 40 days old",
        },
      },
    ]);
    expect(warnings()).toEqual([]);
    source.publish(next());
    await cycle();
    await until(() => restarts === 1);
  });

  test("a record of last week is no error", async () => {
    source.newest = app.make({ version: "5.0.0", publishedS: START_S - 1 }).record;
    updater({ kind: "now" }).start();
    await cycle();
    expect(names()).toEqual(["checking"]);
  });

  test("no jump of the clock on the wall ends a download (G2)", async () => {
    const release = next();
    source.publish(release);
    const jumpsMs = [3_600_000, -3_600_000, 10 * 365 * 86_400_000, -20 * 365 * 86_400_000];
    let chunks = 0;
    source.beforeChunk = () => clock.jump(jumpsMs[chunks++ % jumpsMs.length] ?? 0);
    updater({ kind: "now" }).start();
    await cycle(0);
    expect(chunks).toBeGreaterThan(jumpsMs.length);
    expect([restarts, codes()]).toEqual([1, []]);
    expect(installedVersion(release)).toBe(true);
  });

  test("stopping in the middle of a download leaves nothing behind", async () => {
    source.publish(next());
    const { promise, resolve } = Promise.withResolvers<void>();
    let blocks = 0;
    source.beforeChunk = () => (++blocks === 2 ? promise : undefined);
    const running = updater({ kind: "now" });
    running.start();
    clock.advance(0);
    await until(() => blocks === 2);
    const stopped = running.stop();
    resolve();
    await stopped;
    expect(readdirSync(app.directory).filter((name) => name.endsWith("-tmp"))).toEqual([]);
    expect(installedVersion(app.release)).toBe(true);
    expect(codes()).toEqual([]);
    const outcome: unknown = await running.check().catch((cause: SwarmError) => cause.code);
    expect(outcome).toBe("STOPPED");
  });
});

describe("two copies of one executable", () => {
  test("wait for each other", async () => {
    source.publish(next());
    const held = tryLock(app.installation.lockPath);
    updater({ kind: "now" }).start();
    for (let n = 0; n < 3; n++) await cycle();
    expect(source.fetches).toEqual([]);
    expect(codes()).toEqual([]);
    held?.release();
    await cycle();
    await until(() => restarts === 1);
  });

  /** Another copy puts a file at the path, as step 7 does. */
  function replace(file: Uint8Array): void {
    writeFileSync(join(app.directory, "new"), file, { mode: 0o755 });
    renameSync(join(app.directory, "new"), app.path);
  }

  test("take over what the other has installed, without a download", async () => {
    const release = next();
    source.publish(release);
    replace(release.file);
    updater({ kind: "now" }).start();
    await cycle(0);
    await until(() => restarts === 1);
    expect(source.fetches).toEqual([]);
    expect(names()).toEqual(["checking", "available", "applied", "restarting"]);
  });

  test("go on from there when there is something newer still", async () => {
    replace(next().file);
    const newest = app.make({ version: "1.0.2", blocks: 3, salt: 3 });
    source.publish(newest);
    updater({ kind: "now" }).start();
    await cycle(0);
    await until(() => restarts === 1);
    expect(installedVersion(newest)).toBe(true);
  });

  test.each([
    ["something unsigned", (): Uint8Array => new TextEncoder().encode("#!/bin/sh\n")],
    ["an older release", (): Uint8Array => app.make({ version: "0.9.0" }).file],
    [
      "another owner's release",
      (): Uint8Array => {
        const other = new InstalledApp({ version: "2.0.0" });
        other.remove();
        return other.release.file;
      },
    ],
  ])("leave %s at the path alone", async (_what, stranger) => {
    const file = stranger();
    source.publish(next());
    replace(file);
    updater({ kind: "now" }).start();
    await cycle();
    expect(codes()).toEqual(["EXECUTABLE_CHANGED"]);
    expect(app.digest()).toBe(sha256(file).toHex());
    expect(restarts).toBe(0);
  });
});

describe("when the new version cannot be started", () => {
  test("the running one is put back, and that release never tried again", async () => {
    const bad = next();
    source.publish(bad);
    const running = updater({ kind: "now" });
    running.start();
    await cycle(0);
    await until(() => restarts === 1);
    running.restartFailed("exec format error");
    expect(installedVersion(app.release)).toBe(true);
    expect(codes()).toEqual(["RESTART_FAILED"]);
    // The next run, of the same executable.
    restarts = 0;
    rehearsals = 0;
    stageFright = undefined;
    events = [];
    updater({ kind: "now" }).start();
    await cycle();
    expect(codes()).toEqual(["REFUSED"]);
    expect(source.fetches).toHaveLength(1);
    const good = app.make({ version: "1.0.2", blocks: 3, salt: 3 });
    source.publish(good);
    await cycle();
    await until(() => restarts === 1);
    expect(installedVersion(good)).toBe(true);
  });
});

describe("what was seen in an earlier run", () => {
  test("is the floor of the next one", async () => {
    const newest = app.make({ version: "1.2.0", publishedS: START_S + 500 });
    source.newest = newest.record;
    const first = updater({ kind: "manual" });
    first.start();
    await cycle();
    await first.stop();
    expect(existsSync(app.installation.statePath)).toBe(true);
    const older = new MemorySource();
    older.publish(app.make({ version: "1.1.0", publishedS: START_S + 400, salt: 2 }));
    updater({ kind: "now" }, older).start();
    await cycle();
    expect(older.fetches).toEqual(["1.2.0"]);
    expect(installedVersion(app.release)).toBe(true);
    // Without the state file the floor is our own version, and the older record is news.
    rmSync(app.installation.statePath);
    const third = new MemorySource();
    third.publish(app.make({ version: "1.1.0", publishedS: START_S + 400, salt: 2 }));
    updater({ kind: "now" }, third).start();
    await cycle();
    expect(third.fetches).toEqual(["1.1.0"]);
  });

  test("is not lost when another copy writes what it has seen", () => {
    const log = (): void => undefined;
    const { installation, own } = app;
    const options = { installation, owner: own.owner, log, nowMs: NOW_MS };
    const mine = new DurableState(new TrustedState(own.record), options);
    const theirs = new DurableState(new TrustedState(own.record), options);
    const newest = app.make({ version: "1.2.0" }).record;
    theirs.trusted.learn(newest, NOW_MS);
    theirs.save(NOW_MS);
    mine.save(NOW_MS);
    const later = new DurableState(new TrustedState(own.record), options);
    expect(later.trusted.newest?.record.version.text).toBe("1.2.0");
  });
});
