/** Copies that update from each other: one gives to many, and who has received gives on. */
import { expect, test } from "bun:test";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { digestOf } from "../helpers/installed.ts";

const TIMEOUT_MS = 60_000;
const { world } = setUpE2e();

test(
  "three copies update from one; a fourth from them, when the one is gone",
  async () => {
    const old = await world.release({ version: "1.0.0" });
    const late = world.copy(old);
    const next = await world.release({ version: "1.0.1", build: "two" });
    const paths = [old, world.copy(old), world.copy(old)];
    const copies = await Promise.all(paths.map((path) => world.run(path)));
    const origin = await world.run(next);
    for (const copy of copies) {
      expect(await copy.event("start", 2)).toMatchObject({ version: "1.0.1", pid: copy.pid });
    }
    for (const path of paths) expect(digestOf(path)).toBe(digestOf(next));
    const [first, ...others] = copies;
    for (const gone of [origin, ...others]) await gone.kill();
    // Now the only provider is a copy that has itself just been updated.
    expect(first?.isRunning).toBe(true);
    const fourth = await world.run(late);
    expect(await fourth.event("start", 2)).toMatchObject({ version: "1.0.1", pid: fourth.pid });
    expect(digestOf(late)).toBe(digestOf(next));
  },
  TIMEOUT_MS,
);

test(
  "two processes of one executable update it once and both become the new version",
  async () => {
    const path = await world.release({ version: "1.0.0" });
    const next = await world.release({ version: "1.0.1", build: "two" });
    const both = [await world.run(path), await world.run(path)];
    await world.run(next);
    for (const each of both) {
      expect(await each.event("start", 2)).toMatchObject({ version: "1.0.1", pid: each.pid });
    }
    // Only one of them has fetched; the other has found the executable replaced.
    expect(both.filter((each) => each.all("progress").length > 0)).toHaveLength(1);
    expect(digestOf(path)).toBe(digestOf(next));
  },
  TIMEOUT_MS,
);

test(
  "a copy that has installed the new version without starting it gives it on",
  async () => {
    const waiting = await world.release({ version: "1.0.0", settings: { mode: "on-restart" } });
    const late = world.copy(waiting);
    const next = await world.release({ version: "1.0.1", build: "two" });
    const origin = await world.run(next);
    const first = await world.run(waiting);
    await first.event("applied");
    await origin.kill();
    const second = await world.run(late);
    await second.event("applied");
    expect(first.all("start")).toHaveLength(1);
    expect(digestOf(late)).toBe(digestOf(next));
  },
  TIMEOUT_MS,
);
