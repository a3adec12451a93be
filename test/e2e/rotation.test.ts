/** An owner key is replaced by another one: who follows, and whom nobody follows any more. */
import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { signHandover } from "../../src/core/handover.ts";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { checkTarget } from "../../src/core/target.ts";
import { writeKeyFile } from "../../src/release/key-file.ts";
import { E2eReleases, E2eWorld } from "../helpers/e2e-world.ts";

const TIMEOUT_MS = 90_000;
const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const APP = { app: "fixture", target: `linux-${process.arch}`, channel: "stable" };

const old = new E2eReleases();
const successor = new E2eReleases();
let world: E2eWorld;

beforeEach(async () => {
  world = await E2eWorld.create(old);
});
afterEach(() => world.destroy());
afterAll(() => {
  old.remove();
  successor.remove();
});

/** `key rotate` as people run it; the path of what it writes. */
function rotated(): string {
  const directory = world.folder();
  writeKeyFile(join(directory, "old_key"), old.seed);
  writeKeyFile(join(directory, "new_key"), successor.seed);
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [process.execPath, MAIN, "key", "rotate", "old_key", "new_key", "--app", APP.app],
    { cwd: directory },
  );
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  expect(stdout.toString()).toContain(keyText(publicKeyOf(successor.seed)));
  return join(directory, "rotation.json");
}

test(
  "copies follow the new key, update under it, and take nothing of the old one any more",
  async () => {
    const settings = { rotation: rotated() };
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
    const third = world.copy(await successor.get({ version: "3.0.0", build: "three", settings }));
    await world.run(third);
    expect(await copy.event("start", 3)).toMatchObject({ version: "3.0.0", pid: copy.pid });
    again.send("apply");
    expect(await again.event("start", 2)).toMatchObject({ version: "3.0.0" });
    again.send("rollback");
    expect(await again.event("start", 3)).toMatchObject({ version: "1.0.0" });
  },
  TIMEOUT_MS,
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
