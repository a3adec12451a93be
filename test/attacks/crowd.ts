/**
 * Many getters of one slow provider, which has places for a few of them: each gets the release in the end, from it and from
 * one another, and none ends with NO_PROVIDER because it had to wait. All of them are in this process.
 *
 *   bun test/attacks/crowd.ts [getters] [blocks of 64 KiB] [bytes a second of each]      exits 1 when some have not got it
 */
import { memorySource } from "../../src/core/source.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import type { Swarm } from "../../src/swarm/swarm.ts";
import { SwarmWorld } from "../helpers/swarm-world.ts";

const [, , getters = "60", blocks = "24", bytesPerS = "100000"] = process.argv;

const world = await SwarmWorld.create();
const release = world.release({ version: "1.0.1", blocks: Number(blocks) });
const options = { newest: release.record, uploadBytesPerS: Number(bytesPerS) };

/** How it ended. */
async function fetchAll(swarm: Swarm): Promise<string> {
  const out = new Uint8Array(release.bytes.length);
  try {
    await swarm.fetch(release.record, {
      checkRegion: (region) => void checkRegion(world.owner, region, release.record),
      missing: ({ count }) => Array.from({ length: count }, (_, index) => index),
      onPiece: ({ offset }, bytes) => out.set(bytes, offset),
      written: () => ({ stream: memorySource(out), chunks: [] }),
    });
    return Buffer.compare(out, release.bytes) === 0 ? "done" : "wrong";
  } catch (cause) {
    return String(Reflect.get(Object(cause), "code"));
  }
}

const provider = await world.swarm(options);
provider.serve(release);
await provider.discover();
const swarms: Swarm[] = [];
while (swarms.length < Number(getters)) swarms.push(await world.swarm(options));
const startMs = performance.now();
const ends = await Promise.all(swarms.map((swarm) => fetchAll(swarm)));
const counts = Map.groupBy(ends, (end) => end);
const told = [...counts].map(([end, { length }]) => `${length} ${end}`).join(", ");
console.log(`${told}; ${((performance.now() - startMs) / 1_000).toFixed(0)} s`);
await world.destroy();
process.exit(ends.every((end) => end === "done") ? 0 : 1);
