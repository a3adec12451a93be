import { describe, expect, test } from "bun:test";
import { runtimeConfig } from "../../embed/config.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import type { Extension } from "../../src/exe/extension.ts";
import type { Environment, Overrides } from "../../src/patcher/protocol.ts";
import { codeOf } from "../helpers/installed.ts";

const extension: Extension = {
  app: "hello",
  owner: publicKeyOf(generateSeed()),
  target: "linux-x64",
  channel: "stable",
  mode: "at 03:30",
  intervalSeconds: 600,
  upload: "300 KB/s",
  bootstrap: ["10.0.0.1:1000"],
  sharedSecret: undefined,
  record: undefined,
};

function config(
  overrides: Overrides = {},
  environment: Environment = {},
  region: Partial<Extension> = {},
): { config: ReturnType<typeof runtimeConfig>; warnings: string[] } {
  const warnings: string[] = [];
  const log = (_level: string, text: string): void => void warnings.push(text);
  return {
    config: runtimeConfig({ ...extension, ...region }, overrides, environment, log),
    warnings,
  };
}

test("takes what was stamped in", () => {
  expect(config()).toEqual({
    config: {
      mode: { kind: "at", hour: 3, minute: 30 },
      intervalMs: 600_000,
      uploadBytesPerS: 300_000,
      bootstrap: [{ host: "10.0.0.1", port: 1000 }],
      channel: undefined,
      tellsStatus: true,
    },
    warnings: [],
  });
});

test("has a default for what was not", () => {
  const { config: found } = config(
    {},
    {},
    { intervalSeconds: undefined, upload: undefined, bootstrap: [] },
  );
  expect(found.intervalMs).toBe(60_000);
  expect(found.uploadBytesPerS).toBe(1_000_000);
  expect(found.bootstrap).toBe("public");
});

test("options win over the region, the environment over both", () => {
  const overrides = { mode: "now", intervalSeconds: 30, upload: "off", bootstrap: ["b.example:2"] };
  expect(config(overrides).config).toEqual({
    mode: { kind: "now" },
    intervalMs: 30_000,
    uploadBytesPerS: 0,
    bootstrap: [{ host: "b.example", port: 2 }],
    channel: undefined,
    tellsStatus: true,
  });
  const environment = { interval: "5", upload: "unlimited", bootstrap: "127.0.0.1:3, 127.0.0.2:4" };
  expect(config(overrides, environment).config).toEqual({
    mode: { kind: "now" },
    intervalMs: 5_000,
    uploadBytesPerS: Infinity,
    bootstrap: [
      { host: "127.0.0.1", port: 3 },
      { host: "127.0.0.2", port: 4 },
    ],
    channel: undefined,
    tellsStatus: true,
  });
});

test("statistics are off when the owner or the environment says so, and never on against either", () => {
  const tells = (statistics?: string, owner?: boolean): boolean =>
    config({}, { statistics }, owner === undefined ? {} : { statistics: owner }).config.tellsStatus;
  expect([undefined, "", "1", "true"].map((text) => tells(text))).toEqual([true, true, true, true]);
  expect(["0", "false", "no", "off"].map((text) => tells(text))).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect([tells(undefined, false), tells("1", false), tells("0", true)]).toEqual([
    false,
    false,
    false,
  ]);
});

test("the background mode looks once an hour", () => {
  const { config: found } = config({}, {}, { intervalSeconds: undefined, mode: "background" });
  expect(found.intervalMs).toBe(3_600_000);
});

describe("an interval that is none", () => {
  test.each(["0", "86401", "-1", "1.5", "1e3", "abc", "999999999", " 5", "0x10"])(
    "%j is said once and not used",
    (interval) => {
      const { config: found, warnings } = config({}, { interval });
      expect(found.intervalMs).toBe(600_000);
      expect(warnings).toHaveLength(1);
    },
  );

  test.each(["1", "86400", "005"])("%j is one", (interval) => {
    const { config: found, warnings } = config({}, { interval });
    expect(found.intervalMs).toBe(Number(interval) * 1000);
    expect(warnings).toEqual([]);
  });

  test("an empty one is none", () => {
    expect(config({}, { interval: "" })).toMatchObject({ warnings: [] });
  });

  test.each([0, 1.5, Number.NaN, 86_401])("as an option: %d", (intervalSeconds) => {
    expect(config({ intervalSeconds }).warnings).toHaveLength(1);
  });
});

test.each(["nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:1,x"])(
  "the bootstrap list %j is an error and never means the public network",
  (bootstrap) => {
    expect(codeOf(() => config({}, { bootstrap }))).toBe("BOOTSTRAP_INVALID");
  },
);

test("a mode that is none is an error", () => {
  expect(codeOf(() => config({ mode: "at 24:00" }))).toBe("FIELD_INVALID");
  expect(codeOf(() => config({}, {}, { mode: "sometimes" }))).toBe("FIELD_INVALID");
});

test("an upload rate that is none is said, and the next source counts", () => {
  const { config: found, warnings } = config({ upload: "2 MB/s" }, { upload: "2 Mbit" });
  expect(found.uploadBytesPerS).toBe(2_000_000);
  expect(warnings).toEqual([expect.stringContaining("is not an upload rate")]);
  expect(config({}, { upload: "" })).toMatchObject({ warnings: [] });
});

test("the environment names a channel, and a wrong name is said and ignored", () => {
  expect(config({}, { channel: "beta" }).config.channel).toBe("beta");
  expect(config({}, { channel: "" })).toMatchObject({
    config: { channel: undefined },
    warnings: [],
  });
  const wrong = config({}, { channel: "../beta" });
  expect(wrong.config.channel).toBeUndefined();
  expect(wrong.warnings).toEqual([expect.stringContaining("the channel must be")]);
});
