import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { CORE_BYTES, encodeCore, REGION_BYTES, unsignedCore } from "../../src/exe/region.ts";
import { asSignature } from "../../src/core/brand.ts";
import { parseVersion } from "../../src/core/version.ts";
import { Patcher, spawn, UpdaterMode, Version } from "../../src/index.ts";
import { provideAssets } from "../../src/patcher/assets.ts";
import { inactiveReason } from "../../src/patcher/own-region.ts";
import { isShown, verbosityOf } from "../../src/patcher/stderr.ts";
import { codeOf } from "../helpers/installed.ts";

const provide = (readRegion: () => Uint8Array): void =>
  provideAssets({ readRegion, probation: () => undefined, workerPath: "", watchdogPath: "" });

describe("UpdaterMode", () => {
  test("is the text that package.json takes", () => {
    expect([UpdaterMode.Now, UpdaterMode.OnRestart, UpdaterMode.Manual]).toEqual([
      "now",
      "on-restart",
      "manual",
    ]);
    expect(UpdaterMode.At(3, 5)).toBe("at 03:05");
    expect(UpdaterMode.At(23, 59)).toBe("at 23:59");
  });

  test.each([
    [24, 0],
    [-1, 0],
    [3, 60],
    [3.5, 0],
    [Number.NaN, 0],
  ])("there is no %d:%d", (hour, minute) => {
    expect(codeOf(() => UpdaterMode.At(hour, minute))).toBe("MODE_INVALID");
  });
});

describe("Version", () => {
  test("compares as semver does", () => {
    const texts = ["2.0.0", "1.0.0", "1.0.0-rc.1", "1.0.10", "1.0.9"];
    const sorted = texts.map((text) => Version.parse(text)).sort((a, b) => a.compare(b));
    expect(sorted.map(String)).toEqual(["1.0.0-rc.1", "1.0.0", "1.0.9", "1.0.10", "2.0.0"]);
    expect(JSON.stringify(Version.parse("1.2.3-a.4"))).toBe('"1.2.3-a.4"');
    expect(Version.parse("1.2.3-a.4")).toMatchObject({ major: 1, minor: 2, patch: 3 });
  });

  test("is the one in the region, and none in a blank one", () => {
    const region = new Uint8Array(REGION_BYTES);
    region.set(encodeCore(unsignedCore(parseVersion("4.5.6"))));
    provide(() => region);
    expect(String(Version.current())).toBe("4.5.6");
    region.set(encodeCore(unsignedCore(undefined)));
    expect(Version.current()).toBeUndefined();
  });
});

describe("a program that cannot update itself", () => {
  const regionWith = (core: Uint8Array): (() => Uint8Array) => {
    const region = new Uint8Array(REGION_BYTES);
    region.set(core);
    return () => region;
  };
  const signed = {
    ...unsignedCore(parseVersion("1.0.0")),
    signature: asSignature(new Uint8Array(64).fill(1)),
  };

  test.each([
    ["blank", encodeCore(unsignedCore(undefined)), "not a signed executable"],
    ["reserved", encodeCore(unsignedCore(parseVersion("1.0.0"))), "not signed yet"],
    ["damaged", new Uint8Array(CORE_BYTES), "damaged"],
  ])("because its region is %s: knows why", async (_state, core, reason) => {
    provide(regionWith(core));
    expect(inactiveReason(undefined)).toContain(reason);
  });

  test("because its region cannot be read: knows why, and does not throw", async () => {
    const readRegion = (): Uint8Array => {
      throw new Error("no such file");
    };
    provide(readRegion);
    expect(inactiveReason(undefined)).toContain("no such file");
  });

  test("is switched off by 1 alone", async () => {
    provide(regionWith(encodeCore(signed)));
    expect(inactiveReason("1")).toContain("RUSTPATCHER_DISABLE");
    for (const other of [undefined, "", "0", "true"]) {
      expect(inactiveReason(other)).toBeUndefined();
    }
  });

  test("gets a patcher that does nothing", async () => {
    provide(regionWith(encodeCore(unsignedCore(undefined))));
    const patcher = await spawn({ mode: UpdaterMode.Manual });
    expect(patcher).toBeInstanceOf(Patcher);
    expect(patcher.active).toBe(false);
    expect(await patcher.check()).toBeUndefined();
    expect(await patcher.apply()).toBeUndefined();
    expect(await spawn()).toBe(patcher);
    await patcher.stop();
    expect(await spawn()).not.toBe(patcher);
  });

  test("is told about a mode that does not exist", async () => {
    const outcome: unknown = await spawn("sometimes" as UpdaterMode).catch(
      (error: unknown) => Reflect.get(Object(error), "code") as unknown,
    );
    expect(outcome).toBe("FIELD_INVALID");
  });
});

test("says what RUSTPATCHER_LOG asks for, warnings by default", () => {
  expect(verbosityOf(undefined)).toBe("warn");
  expect(verbosityOf("loud")).toBe("warn");
  expect(verbosityOf("debug")).toBe("debug");
  expect(isShown("info", "warn")).toBe(false);
  expect(isShown("warn", "warn")).toBe(true);
  expect(isShown("error", "silent")).toBe(false);
  expect(isShown("debug", "debug")).toBe(true);
});

test("what is imported in a development run writes one line to stderr and nothing to stdout", async () => {
  const script = `import ${JSON.stringify(join(import.meta.dir, "../../embed/auto.ts"))}; console.log("app");`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    stdout: "pipe",
    stderr: "pipe",
    timeout: 10_000,
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect(stdout).toBe("app\n");
  expect(stderr).toBe(
    "rustpatcher: this program does not update itself: it is not a signed executable\n",
  );
  expect(exitCode).toBe(0);
});
