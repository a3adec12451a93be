/**
 * Many copies on one machine that hear of a release in the same second: all of them become the new version, though
 * the machine has fewer cores than they would need. Takes 110 MB of disk for each copy, twice.
 *
 *   bun test/attacks/herd.ts [copies] [seconds]      says how many there are every five seconds; exits 1 when some are not
 */
import { systemClock } from "../../src/core/clock.ts";
import { publicKeyOf } from "../../src/core/keys.ts";
import { Swarm } from "../../src/swarm/swarm.ts";
import type { AppProcess } from "../helpers/app-process.ts";
import { blobApp } from "../helpers/blob-app.ts";
import { E2eReleases, E2eWorld } from "../helpers/e2e-world.ts";
import { scratchDirectory } from "../helpers/scratch.ts";

const [, , copies = "30", seconds = "240"] = process.argv;
const BLOB_BYTES = 3_000_000;
const LOOK_EVERY_MS = 5_000;

scratchDirectory("herd");
const releases = new E2eReleases();
const world = await E2eWorld.create(releases);
let swarm: Swarm | undefined;
let isDone = false;
const startMs = performance.now();
const say = (text: string): void =>
  console.log(`${((performance.now() - startMs) / 1_000).toFixed(0)} s: ${text}`);

function codes(apps: readonly AppProcess[]): string {
  const all = apps.flatMap((app) => app.all("error").map((error) => String(error["code"])));
  const counts = Map.groupBy(all, (code) => code);
  return [...counts].map(([code, { length }]) => `${length} ${code}`).join(", ");
}

try {
  const old = await releases.get({ version: "1.0.0", source: blobApp("one", 1, BLOB_BYTES) });
  const next = await releases.get({ version: "1.0.1", source: blobApp("two", 2, BLOB_BYTES) });
  const apps: AppProcess[] = [];
  const lifetimeMs = (Number(seconds) + 120) * 1_000;
  for (let copy = 0; copy < Number(copies); copy++) {
    apps.push(await world.run(world.copy(old), { lifetimeMs }));
  }
  say(`${apps.length} copies run`);
  const { record, ...rest } = world.holding(next);
  const { app, target, channel } = record.record;
  swarm = await Swarm.start({
    owner: publicKeyOf(releases.seed),
    name: { app, target, channel },
    sharedSecret: undefined,
    bootstrap: world.net.bootstrap,
    clock: systemClock,
    log: () => undefined,
  });
  swarm.serve({ record, ...rest });
  await swarm.discover();
  say("the release is there");
  const endMs = performance.now() + Number(seconds) * 1_000;
  while (!isDone && performance.now() < endMs) {
    await Bun.sleep(LOOK_EVERY_MS);
    const done = apps.filter((one) => one.all("start").length > 1).length;
    const bytes = apps.reduce(
      (sum, one) => sum + Number(one.all("progress").at(-1)?.["doneBytes"] ?? 0),
      0,
    );
    const verified = apps.filter((one) => one.all("verified").length > 0).length;
    say(
      `${done} new, ${verified} verified, ${(bytes / 1_000_000).toFixed(1)} MB fetched; ${codes(apps)}`,
    );
    isDone = done === apps.length;
  }
  if (!isDone) {
    for (const one of apps.filter((other) => other.all("start").length < 2).slice(0, 5)) {
      console.log(one.log.slice(-8), one.events.slice(-4));
    }
  }
} finally {
  await swarm?.destroy();
  await world.destroy();
  releases.remove();
}
say(isDone ? "all are new" : "not all are new");
process.exit(isDone ? 0 : 1);
