/** Step 8 by every mode: real executables, real processes, a real DHT. */
import { describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { statSync } from "node:fs";
import { join } from "node:path";
import type { AppProcess } from "../helpers/app-process.ts";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { digestOf } from "../helpers/installed.ts";

const TIMEOUT_MS = 40_000;
const { world } = setUpE2e();

/** Both versions installed and running; the old one with this mode. */
async function pair(mode: string): Promise<{ old: AppProcess; path: string; next: string }> {
  const path = await world.release({ version: "1.0.0", settings: { mode } });
  const next = await world.release({ version: "1.0.1", build: "two" });
  await world.run(next);
  const old = await world.run(path, { args: ["--flag", "", "ä b"], env: { E2E_MARK: "kept ✓" } });
  return { old, path, next };
}

function same(path: string, other: string): boolean {
  return digestOf(path) === digestOf(other);
}

describe("now", () => {
  test(
    "becomes the new version with the same PID, arguments, environment and directory",
    async () => {
      const { old, path, next } = await pair("now");
      const after = await old.event("start", 2);
      const before = await old.event("start");
      expect(before).toMatchObject({ version: "1.0.0", build: "one" });
      expect(after).toMatchObject({ version: "1.0.1", build: "two" });
      for (const fact of ["pid", "argv0", "cwd", "env", "uid"]) {
        expect([fact, after[fact]]).toEqual([fact, before[fact]]);
      }
      // The second entry is the name of the bundle inside the executable, which is the app's own.
      const argsOf = (argv: unknown): unknown[] => (Array.isArray(argv) ? argv.slice(2) : []);
      expect(argsOf(after["argv"])).toEqual(["--flag", "", "ä b"]);
      expect(after["pid"]).toBe(old.pid);
      expect(same(path, next)).toBe(true);
      expect(statSync(path).mode & 0o7777).toBe(statSync(next).mode & 0o7777);
      const names = [...new Set(old.events.map(({ name }) => name))];
      expect(names).toEqual([
        "start",
        "checking",
        "available",
        "progress",
        "verified",
        "applied",
        "restarting",
      ]);
      // A line of difference is not a whole executable.
      const total = Number(old.all("progress").at(-1)?.["totalBytes"]);
      expect(total).toBeGreaterThan(0);
      expect(total).toBeLessThan(statSync(path).size / 10);
      // It serves, looks again, and does not restart for nothing.
      await old.event("checking", old.all("checking").length + 2);
      expect(old.all("start")).toHaveLength(2);
    },
    TIMEOUT_MS,
  );

  test(
    "goes back to the directory that the arguments were meant for",
    async () => {
      const path = await world.release({ version: "1.0.0" });
      const old = await world.run(path, { cwd: world.folder("first") });
      old.send(`chdir ${world.folder("second")}`);
      await world.run(await world.release({ version: "1.0.1", build: "two" }));
      expect((await old.event("start", 2))["cwd"]).toBe(join(world.directory, "first"));
    },
    TIMEOUT_MS,
  );
});

describe("on-restart", () => {
  test(
    "installs and leaves the process alone; the next start is the new version",
    async () => {
      const { old, path, next } = await pair("on-restart");
      await old.event("applied");
      expect(same(path, next)).toBe(true);
      await old.event("checking", old.all("checking").length + 2);
      expect(old.all("start")).toHaveLength(1);
      expect(old.all("applied")).toHaveLength(1);
      const again = await world.run(path);
      expect(await again.event("start")).toMatchObject({ version: "1.0.1", build: "two" });
    },
    TIMEOUT_MS,
  );
});

describe("manual", () => {
  test(
    "says what is there, fetches when told to, and restarts",
    async () => {
      const { old, path, next } = await pair("manual");
      expect(await old.event("available")).toMatchObject({ version: "1.0.1" });
      const digest = digestOf(path);
      await old.event("checking", old.all("checking").length + 2);
      old.send("check");
      expect(await old.event("answer")).toMatchObject({ value: { version: "1.0.1" } });
      expect(old.all("progress")).toEqual([]);
      expect(digestOf(path)).toBe(digest);
      old.send("apply");
      expect(await old.event("start", 2)).toMatchObject({ version: "1.0.1", pid: old.pid });
      expect(same(path, next)).toBe(true);
    },
    TIMEOUT_MS,
  );
});

/** Debian's libfaketime, preloaded: the wrapper `faketime` would stay between us and the app. */
const [FAKETIME] = [...new Glob("/usr/lib/*/faketime/libfaketime.so.1").scanSync("/")];

describe("at", () => {
  if (FAKETIME === undefined) {
    console.log("at: skipped, because libfaketime is not installed (apt-get install faketime)");
  }
  test.skipIf(FAKETIME === undefined)(
    "installs at once and restarts when the clock on the wall says so, once",
    async () => {
      // Everybody lives in this time, below the process boundary: the record, the minute topics, the app.
      const path = await world.release({ version: "1.0.0", settings: { mode: "at 02:30" } });
      const next = await world.release({ version: "1.0.1", build: "two" });
      // Step 2 refuses releases of the future: the fake night comes after the real one.
      const env = {
        TZ: "Europe/Berlin",
        LD_PRELOAD: FAKETIME ?? "",
        FAKETIME: "@2031-01-10 02:29:50",
        // Deadlines are on the monotonic clock and must not notice.
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      };
      await world.run(next, { env });
      const old = await world.run(path, { env });
      const applied = await old.event("applied");
      expect(applied).toMatchObject({ version: "1.0.1" });
      expect(old.all("start")).toHaveLength(1);
      const { now } = await old.event("restarting");
      const at = new Date(Number(now)).toLocaleString("sv", { timeZone: "Europe/Berlin" });
      expect(at).toMatch(/^2031-01-10 02:30:0/);
      const after = await old.event("start", 2);
      expect(after).toMatchObject({ version: "1.0.1", build: "two", pid: old.pid });
      await old.event("checking", old.all("checking").length + 2);
      expect(old.all("start")).toHaveLength(2);
      expect(same(path, next)).toBe(true);
    },
    TIMEOUT_MS,
  );
});

describe("beforeRestart", () => {
  test.each([
    ["is awaited", "300,5000", true, undefined],
    ["that takes too long is not waited for", "60000,200", false, "it took too long"],
    ["that fails does not stop the restart", "-1,5000", false, "no water"],
  ])(
    "%s",
    async (_what, times, isDrained, warning) => {
      const { old } = await pair("manual");
      await old.event("available");
      old.send(`drain ${times}`);
      old.send("apply");
      expect(await old.event("start", 2)).toMatchObject({ version: "1.0.1", pid: old.pid });
      expect(old.all("draining")).toHaveLength(1);
      expect(old.all("drained")).toHaveLength(isDrained ? 1 : 0);
      const warnings = old.log.filter((line) => line.includes("beforeRestart"));
      expect(warnings).toHaveLength(warning === undefined ? 0 : 1);
      expect(warnings.join("")).toContain(warning ?? "");
    },
    TIMEOUT_MS,
  );
});
