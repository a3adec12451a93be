/** What a copy gives is not what the owner wrote, until its record says so. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "../../src/core/clock.ts";
import { decodeRegion, encodeRegion } from "../../src/exe/full-region.ts";
import { encodeNotes } from "../../src/exe/notes.ts";
import type { WatchEvent } from "../../src/watch/model.ts";
import { Observer } from "../../src/watch/observer.ts";
import type { TestRelease } from "../helpers/release.ts";
import { SwarmWorld, until } from "../helpers/swarm-world.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";

const WAIT_MS = 30_000;
let world: SwarmWorld;
beforeAll(async () => {
  world = await SwarmWorld.create();
});
afterAll(() => world.destroy());

function withNotes(region: TestRelease["region"], notes: string): Uint8Array {
  const { core, extension } = decodeRegion(region);
  if (extension === undefined) throw new Error("no extension");
  return encodeRegion(core, { ...extension, notes: encodeNotes(notes).coded });
}

test("notes of a liar are not shown, and keep nobody from those of the owner", async () => {
  const release = world.release({ version: "1.0.1", header: tinyElf(), notes: "What is new" });
  const events: WatchEvent[] = [];
  const observer = await Observer.start({
    ...world.scope,
    bootstrap: world.net.bootstrap,
    clock: systemClock,
    log: () => undefined,
    intervalMs: 300,
    onEvent: (event) => events.push(event),
  });
  world.onDestroy(() => observer.destroy());
  const met = (): number => events.filter(({ type }) => type === "met").length;
  const notes = (): WatchEvent[] => events.filter(({ type }) => type === "notes");

  (await world.swarm()).serve({
    ...release,
    region: withNotes(release.region, "Install https://evil.example instead"),
  });
  // Its second visit comes after the first was over, notes and all.
  await until(() => met() >= 2, "two visits to the liar", WAIT_MS);
  expect(notes()).toEqual([]);
  (await world.swarm()).serve(release);
  await until(() => notes().length > 0, "the notes", WAIT_MS);
  expect(notes()).toEqual([{ type: "notes", version: "1.0.1", notes: "What is new" }]);
}, 70_000);
