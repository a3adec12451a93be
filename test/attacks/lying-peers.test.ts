/**
 * Attacks of group D, each three times: the liar alone (nothing it sends is accepted), with one honest
 * peer, and one honest peer among several liars (the download completes). That the lie is what is refused,
 * and not the liar's transport, shows the first test: the same peer without a lie is as good as any.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type HyperDHT from "@hyperswarm/dht";
import { generateSeed } from "../../src/core/keys.ts";
import { createNode, loadHyperDHT } from "../../src/swarm/node.ts";
import { fastClock } from "../helpers/clock.ts";
import { APP, makeRelease, type ReleaseOptions, type TestRelease } from "../helpers/release.ts";
import { SwarmWorld, until, type TestGetter } from "../helpers/swarm-world.ts";
import { attacksOn } from "./behaviours.ts";
import { bentSignature, evilProvider, type Behaviour, type EvilProvider } from "./evil-provider.ts";

const BLOCKS = 6;
const LIARS = 20;
/** Nearly as many as are remembered, three times as many as there are places. */
const CROWD = 45;
/** Timeouts of 10 to 60 seconds pass this much faster. */
const SPEED = 8;

const HyperDHTClass = await loadHyperDHT();
let world: SwarmWorld;
let release: TestRelease;
let liarsNode: HyperDHT;

beforeAll(async () => {
  world = await SwarmWorld.create();
  release = world.release({ version: "1.0.1", blocks: BLOCKS });
  const { bootstrap } = world.net;
  liarsNode = await createNode({ bootstrap, host: "127.0.0.1", firewalled: false });
  await liarsNode.fullyBootstrapped();
});
afterAll(async () => {
  // Eight hundred servers would unannounce themselves one by one.
  await liarsNode.destroy({ force: true });
  await world.destroy();
}, 20_000);

async function peers(count: number, behaviour: Behaviour = {}): Promise<EvilProvider[]> {
  return Promise.all(
    Array.from({ length: count }, () =>
      evilProvider(liarsNode, HyperDHTClass.keyPair(), world.scope, release, behaviour),
    ),
  );
}

async function getter(...providers: EvilProvider[]): Promise<TestGetter> {
  const clock = fastClock(SPEED);
  return world.getter(
    providers.map(({ publicKey }) => publicKey),
    { clock },
  );
}

/** What a fetch accepted, chunk by chunk. */
async function fetchAll(
  from: TestGetter,
): Promise<{ accepted: Set<number>; stream: Uint8Array | undefined; code: string | undefined }> {
  const accepted = new Set<number>();
  const stream = new Uint8Array(release.bytes.length);
  try {
    await from.fetch(release.record, {
      onPiece: ({ first, count, offset }, bytes) => {
        // Nothing that is accepted may be wrong, whatever else happens.
        const expected = release.bytes.subarray(offset, offset + bytes.length);
        expect(Buffer.compare(bytes, expected)).toBe(0);
        for (let index = first; index < first + count; index++) {
          expect(accepted.has(index)).toBe(false);
          accepted.add(index);
        }
        stream.set(bytes, offset);
      },
    });
    return { accepted, stream, code: undefined };
  } catch (error) {
    return { accepted, stream: undefined, code: (error as { code?: string }).code };
  }
}

test("control: the same peer without a lie serves all by itself", async () => {
  const [peer] = await peers(1);
  if (peer === undefined) throw new Error("no peer");
  const from = await getter(peer);
  const { stream } = await fetchAll(from);
  expect(Buffer.compare(stream ?? new Uint8Array(0), release.bytes)).toBe(0);
  expect(from.peers.isBanned(peer.id)).toBe(false);
  await until(() => peer.heard.some(({ type }) => type === "done"), "to be told");
});

const ATTACKS = attacksOn({
  release: () => release,
  stale: () => world.release({ version: "1.0.0", blocks: BLOCKS, salt: 77 }),
  elsewhere: () => {
    const name = { ...APP, target: "linux-arm64" };
    return world.release({ version: "1.0.1", blocks: BLOCKS, salt: 78, name });
  },
  forged: () => bentSignature(makeRelease(world.seed, newer()).record),
  foreign: () => makeRelease(generateSeed(), newer()).record,
  speed: SPEED,
});

function newer(): ReleaseOptions {
  return { version: "9.0.0", publishedS: release.record.record.publishedS + 60 };
}

// Waiting is most of it, so these wait side by side.
describe.concurrent("alone it is refused", () => {
  for (const { name, behaviour, fate, acceptedAlone } of ATTACKS) {
    test(
      name,
      async () => {
        const [liar] = await peers(1, behaviour());
        if (liar === undefined) throw new Error("no liar");
        const from = await getter(liar);
        const { accepted, stream, code } = await fetchAll(from);
        expect({ stream, code }).toEqual({ stream: undefined, code: "NO_PROVIDER" });
        expect(accepted.size > 0).toBe(acceptedAlone === "what was right");
        expect(accepted.size).toBeLessThan(release.table.count);
        expect(from.peers.isBanned(liar.id)).toBe(fate === "banned");
        // Dropped after one lie: it was not even visited a second time.
        if (fate === "banned") expect(liar.visits()).toBe(1);
        // Given up in time, and tried again after a while.
        else expect(liar.visits()).toBeGreaterThan(1);
        // I3: what it claimed has become no state of ours.
        expect(from.newest.current?.record.version.text ?? "1.0.1").toBe("1.0.1");
      },
      60_000,
    );
  }
});

for (const count of [1, LIARS, CROWD]) {
  describe(`one honest peer and ${count} of these: the download completes`, () => {
    // Only who holds a place without giving anything can keep somebody else out of it.
    const attacks = count === CROWD ? ATTACKS.filter(({ name }) => name.startsWith("D3")) : ATTACKS;
    for (const { name, behaviour } of attacks) {
      test(
        name,
        async () => {
          const liars = await peers(count, behaviour());
          const [honest] = await peers(1);
          if (honest === undefined) throw new Error("no honest peer");
          const from = await getter(...liars, honest);
          const { stream } = await fetchAll(from);
          expect(Buffer.compare(stream ?? new Uint8Array(0), release.bytes)).toBe(0);
          expect(from.peers.isBanned(honest.id)).toBe(false);
        },
        60_000,
      );
    }
  });
}
