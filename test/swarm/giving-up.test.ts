/** A download gives up when nobody is left to ask, and not because all who have it are busy or were away. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { toHex } from "../../src/core/bytes.ts";
import { Have } from "../../src/swarm/have.ts";
import { fastClock } from "../helpers/clock.ts";
import { SwarmWorld, within } from "../helpers/swarm-world.ts";

/** So many seconds of the getter are one of ours. */
const FASTER = 20;
/** One getter at a time is sent something. */
const ONE_PLACE_BYTES_PER_S = 60_000;
const LONG_MS = 20_000;

let world: SwarmWorld;
beforeEach(async () => {
  world = await SwarmWorld.create();
});
afterEach(() => world.destroy());

/** For two minutes of the getter nothing comes of it, neither a release nor an error. */
async function isWaitedFor(fetched: Promise<unknown>): Promise<void> {
  const early = await Promise.race([fetched.then(String, String), Bun.sleep(120_000 / FASTER)]);
  expect(early).toBeUndefined();
}

test("a provider whose places are all taken for two minutes is waited for", async () => {
  const release = world.release({ version: "1.0.1", blocks: 2 });
  const provider = await world.provider([release], { uploadBytesPerS: ONE_PLACE_BYTES_PER_S });
  const other = await (await world.rawClient(provider.publicKey)).enter();
  const { root } = release.record.record;
  other.send({
    type: "piece",
    id: 0,
    root,
    first: 0,
    count: 1,
    base: undefined,
    sketch: new Uint8Array(0),
  });
  await other.answer("piece");
  // Whoever asks for nothing for five seconds has to give its place.
  let id = 1;
  const hold = setInterval(() => other.send({ type: "region", id: id++, root }), 500);
  const getter = await world.getter([provider.publicKey], { clock: fastClock(FASTER) });
  const fetched = getter.fetch(release.record);
  try {
    await isWaitedFor(fetched);
  } finally {
    clearInterval(hold);
  }
  other.stream.destroy();
  expect(await within(fetched, "the place", LONG_MS)).toEqual(release.bytes);
}, 60_000);

test("while others get it from somebody, who has all of it is waited for", async () => {
  const release = world.release({ version: "1.0.1", blocks: 24 });
  const { table, stream } = release;
  const provider = await world.provider([]);
  const have = new Have(table.count);
  let got = 0;
  have.add(got++);
  provider.holdings.setPartial({ table, stream, have });
  const getting = setInterval(() => have.add(got++), 500);
  const getter = await world.getter([provider.publicKey], { clock: fastClock(FASTER) });
  const fetched = getter.fetch(release.record);
  try {
    await isWaitedFor(fetched);
  } finally {
    clearInterval(getting);
  }
  const whole = await world.provider([release]);
  getter.peers.add(whole.publicKey, []);
  expect(await within(fetched, "who has all", LONG_MS)).toEqual(release.bytes);
}, 60_000);

test("before it gives up, whoever was away for long is asked once more", async () => {
  const release = world.release({ version: "1.0.1", blocks: 2 });
  const provider = await world.provider([release]);
  const getter = await world.getter([], { clock: fastClock(FASTER) });
  const fetched = getter.fetch(release.record);
  getter.peers.add(provider.publicKey, []);
  for (let time = 0; time < 10; time++) getter.peers.failed(toHex(provider.publicKey));
  const startMs = performance.now();
  expect(await within(fetched, "the last round", LONG_MS)).toEqual(release.bytes);
  expect(performance.now() - startMs).toBeGreaterThan(50_000 / FASTER);
}, 60_000);

test("a new attempt asks whoever was away for long at once", async () => {
  const release = world.release({ version: "1.0.1", blocks: 2 });
  const provider = await world.provider([release]);
  const getter = await world.getter([provider.publicKey]);
  for (let time = 0; time < 10; time++) getter.peers.failed(toHex(provider.publicKey));
  expect(await within(getter.fetch(release.record), "the first round")).toEqual(release.bytes);
});
