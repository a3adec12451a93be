/** An owner key is replaced by another one: who follows, and whom nobody follows any more. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { signHandover } from "../../src/core/handover.ts";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { checkTarget } from "../../src/core/target.ts";
import { writeKeyFile } from "../../src/release/key-file.ts";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { E2eReleases } from "../helpers/e2e-world.ts";

const TIMEOUT_MS = 90_000;
const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const APP = { app: "fixture", target: `linux-${process.arch}`, channel: "stable" };

const { releases: old, world } = setUpE2e();
const successor = new E2eReleases();
const third = new E2eReleases();
afterAll(() => {
  successor.remove();
  third.remove();
});

/** `key rotate` as people run it, which writes the file or adds to it; the path of that. */
function rotated(
  from: E2eReleases,
  to: E2eReleases,
  path: string = join(world.folder(), "rotation.json"),
): string {
  const directory = world.folder();
  writeKeyFile(join(directory, "old_key"), from.seed);
  writeKeyFile(join(directory, "new_key"), to.seed);
  const args = ["old_key", "new_key", "--app", APP.app, "--out", path];
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [process.execPath, MAIN, "key", "rotate", ...args],
    { cwd: directory },
  );
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  expect(stdout.toString()).toContain(textOf(to));
  return path;
}

const textOf = ({ seed }: E2eReleases): string => keyText(publicKeyOf(seed));

test(
  "copies follow the new key, update under it, and take nothing of the old one any more",
  async () => {
    const settings = { rotation: rotated(old, successor) };
    const copy = await world.run(await world.release({ version: "1.0.0" }));
    const manual = await world.release({ version: "1.0.0", settings: { mode: "manual" } });
    const waiting = await world.run(manual);
    const second = world.copy(await successor.get({ version: "2.0.0", build: "two", settings }));
    await world.run(second);
    expect(await copy.event("start", 2)).toMatchObject({ version: "2.0.0", pid: copy.pid });
    expect(copy.log.join("\n")).toContain("the owner key was handed over: from now on");
    expect(await waiting.event("available")).toMatchObject({ version: "2.0.0" });

    // Whoever has stolen the old key publishes: to the one who has updated, and to the one who only knows.
    const stolen = await world.release({ version: "9.0.0", build: "evil" });
    await world.run(stolen, { env: { RUSTPATCHER_INTERVAL: "1" } });
    await waiting.kill();
    const again = await world.run(manual);
    const looks = copy.all("checking").length;
    await copy.event("checking", looks + 3);
    await again.event("checking", 3);
    expect(await again.event("available")).toMatchObject({ version: "2.0.0" });
    expect(copy.all("applied").map(({ version }) => version)).toEqual(["2.0.0"]);

    // Without the release that brought the key, and over the rollback copy of the old one.
    const newest = world.copy(await successor.get({ version: "3.0.0", build: "three", settings }));
    await world.run(newest);
    expect(await copy.event("start", 3)).toMatchObject({ version: "3.0.0", pid: copy.pid });
    again.send("apply");
    expect(await again.event("start", 2)).toMatchObject({ version: "3.0.0" });
    again.send("rollback");
    expect(await again.event("start", 3)).toMatchObject({ version: "1.0.0" });
  },
  TIMEOUT_MS,
);

test(
  "a copy that knows the first of three keys follows to the third, whose releases it takes alone",
  async () => {
    const settings = { rotation: rotated(successor, third, rotated(old, successor)) };
    const path = await world.release({ version: "1.0.0" });
    const next = world.copy(await third.get({ version: "3.0.0", build: "three", settings }));
    const later = world.copy(await third.get({ version: "4.0.0", build: "four", settings }));
    const stolen = [
      await world.release({ version: "9.0.0", build: "evil" }),
      world.copy(await successor.get({ version: "9.0.0", build: "evil" })),
    ];

    // Nobody has a release of the second key, which was never used.
    const copy = await world.run(path);
    await world.run(next);
    expect(await copy.event("start", 2)).toMatchObject({ version: "3.0.0", pid: copy.pid });
    const followed = copy.log.flatMap((line) => /from now on (\w+) counts/.exec(line)?.[1] ?? []);
    expect(followed).toEqual([successor, third].map(textOf));

    // Back at the release of the first key, it follows the third all the same.
    for (const evil of stolen) await world.run(evil);
    copy.send("rollback");
    expect(await copy.event("start", 3)).toMatchObject({ version: "1.0.0", pid: copy.pid });
    await copy.event("checking", copy.all("checking").length + 4);
    expect(copy.all("start")).toHaveLength(3);
    await world.run(later);
    expect(await copy.event("start", 4)).toMatchObject({ version: "4.0.0", pid: copy.pid });
    expect(copy.all("applied").map(({ version }) => version)).toEqual(["3.0.0", "4.0.0"]);
  },
  2 * TIMEOUT_MS,
);

test(
  "a handover that the old key has not signed, or for another target, is followed by nobody",
  async () => {
    const thief = generateSeed();
    const copy = await world.run(await world.release({ version: "1.0.0" }));
    await world.provider(
      signHandover(thief, { ...APP, target: checkTarget(APP.target) }, publicKeyOf(thief)),
    );
    const other = { ...APP, target: "linux-x64-musl" };
    await world.provider(signHandover(old.seed, other, publicKeyOf(thief)));
    const looks = copy.all("checking").length;
    await copy.event("checking", looks + 4);
    expect(copy.log.join("\n")).not.toContain("handed over");
    // It still follows the old one.
    await world.run(await world.release({ version: "1.0.1", build: "two" }));
    expect(await copy.event("start", 2)).toMatchObject({ version: "1.0.1" });
  },
  TIMEOUT_MS,
);
