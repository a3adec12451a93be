/** Channels: real executables that follow their own, and another one when they are told to. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { AppProcess } from "../helpers/app-process.ts";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { pathBeside } from "../../src/fs/own-files.ts";

const TIMEOUT_MS = 120_000;
const { world } = setUpE2e();

const stable = (version: string): Promise<string> => world.release({ version });
const beta = (version: string): Promise<string> =>
  world.release({ version, build: "beta", settings: { channel: "beta" } });

/** The versions it has been, in order. */
const versions = (app: AppProcess): unknown[] => app.all("start").map(({ version }) => version);

async function switchTo(app: AppProcess, channel: string, count: number): Promise<void> {
  app.send(`channel ${channel}`);
  expect(await app.event("answer", count)).toMatchObject({ question: "channel", value: null });
}

/** Looks so many times more than so far, and finds nothing. */
async function looks(app: AppProcess, times: number): Promise<void> {
  await app.event("checking", app.all("checking").length + times);
}

test(
  "an app that switches becomes the other channel's release, and one of its own again",
  async () => {
    // All that is to come first: an app lives for a minute, and signing takes a while on a busy machine.
    const [path, next, last] = [await stable("1.0.0"), await beta("1.1.0"), await stable("1.2.0")];
    await world.run(next);
    const app = await world.run(path);
    await looks(app, 3);
    expect(versions(app)).toEqual(["1.0.0"]);

    await switchTo(app, "beta", 1);
    expect(await app.event("start", 2)).toMatchObject({ version: "1.1.0", build: "beta" });
    // On probation it would keep what was before it.
    app.send("healthy");
    await world.run(last);
    await switchTo(app, "stable", 2);
    expect(await app.event("start", 3)).toMatchObject({ version: "1.2.0", build: "one" });
    await looks(app, 2);
    expect(versions(app)).toEqual(["1.0.0", "1.1.0", "1.2.0"]);
  },
  TIMEOUT_MS,
);

test(
  "the wish outlives the process, nothing below the installed version comes of it, and it can be taken back",
  async () => {
    const [path, below, next] = [await stable("1.0.0"), await beta("0.9.0"), await stable("1.2.0")];
    const wish = pathBeside(path, "channel");
    const lower = await world.run(below);
    const first = await world.run(path);
    await switchTo(first, "beta", 1);
    await looks(first, 2);
    expect(versions(first)).toEqual(["1.0.0"]);
    await first.kill();
    expect(existsSync(wish)).toBe(true);

    const second = await world.run(path);
    await second.until(
      () => second.log.some((line) => line.includes("following channel beta")),
      "beta",
    );
    second.send("status");
    expect(await second.event("answer")).toMatchObject({
      question: "status",
      value: { version: "1.0.0", channel: "beta", newest: { version: "1.0.0" } },
    });
    // The release of its own channel is not for it now.
    await world.run(next);
    await looks(second, 3);
    expect(versions(second)).toEqual(["1.0.0"]);
    await lower.kill();
    await switchTo(second, "stable", 2);
    expect(await second.event("start", 2)).toMatchObject({ version: "1.2.0" });
    expect(existsSync(wish)).toBe(false);
  },
  TIMEOUT_MS,
);

test(
  "RUSTPATCHER_CHANNEL moves it without a wish, and lets the app have no other",
  async () => {
    const [path, next] = [await stable("1.0.0"), await beta("1.1.0")];
    const app = await world.run(path, { env: { RUSTPATCHER_CHANNEL: "beta" } });
    app.send("channel nightly");
    expect(await app.event("answer")).toMatchObject({ code: "CHANNEL_FIXED" });
    app.send("channel ../nightly");
    expect(await app.event("answer", 2)).toMatchObject({ code: "FIELD_INVALID" });
    await world.run(next);
    expect(await app.event("start", 2)).toMatchObject({ version: "1.1.0", build: "beta" });
    expect(existsSync(pathBeside(path, "channel"))).toBe(false);
  },
  TIMEOUT_MS,
);
