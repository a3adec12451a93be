/**
 * Attacks of group D, each three times: the liar alone (nothing it sends is accepted), with one honest
 * peer, and one honest peer among several liars (the download completes). That the lie is what is refused,
 * and not the liar's transport, shows the first test: the same peer without a lie is as good as any.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type HyperDHT from "@hyperswarm/dht";
import { generateSeed } from "../../src/core/keys.ts";
import { BLOCK_BYTES, FRAME_MAX_BYTES } from "../../src/core/limits.ts";
import { BlockTable } from "../../src/content/table.ts";
import { HASH_BYTES } from "../../src/content/tree.ts";
import { memorySource } from "../../src/core/source.ts";
import type { ClientMessage } from "../../src/swarm/messages.ts";
import { loadHyperDHT } from "../../src/swarm/node.ts";
import { fastClock } from "../helpers/clock.ts";
import { APP, makeRelease, noise, type TestRelease } from "../helpers/release.ts";
import { SwarmWorld, until, type TestGetter } from "../helpers/swarm-world.ts";
import {
  bent,
  bentSignature,
  evilProvider,
  type Behaviour,
  type EvilProvider,
} from "./evil-provider.ts";

const BLOCKS = 6;
const LIARS = 8;
/** Timeouts of 10 to 60 seconds pass this much faster. */
const SPEED = 20;

const HyperDHTClass = await loadHyperDHT();
let world: SwarmWorld;
let release: TestRelease;
let liarsNode: HyperDHT;
const open: EvilProvider[] = [];

beforeAll(async () => {
  world = await SwarmWorld.create();
  release = world.release({ version: "1.0.1", blocks: BLOCKS });
  liarsNode = await world.net.createNode();
});
afterAll(async () => {
  await Promise.all(open.map((peer) => peer.close()));
  await world.destroy();
});

async function peers(count: number, behaviour: Behaviour = {}): Promise<EvilProvider[]> {
  const started = await Promise.all(
    Array.from({ length: count }, () =>
      evilProvider(liarsNode, HyperDHTClass.keyPair(), world.scope, release, behaviour),
    ),
  );
  open.push(...started);
  return started;
}

async function getter(...providers: EvilProvider[]): Promise<TestGetter> {
  const clock = fastClock(SPEED);
  return world.getter(
    providers.map(({ publicKey }) => publicKey),
    { clock },
  );
}

/** What a fetch accepted, block by block. */
async function fetchAll(
  from: TestGetter,
): Promise<{ accepted: Set<number>; stream: Uint8Array | undefined; code: string | undefined }> {
  const accepted = new Set<number>();
  const stream = new Uint8Array(release.bytes.length);
  try {
    await from.fetch(release.record, {
      onBlock: (index, bytes) => {
        // Nothing that is accepted may be wrong, whatever else happens.
        expect(release.table.isBlock(index, bytes)).toBe(true);
        expect(accepted.has(index)).toBe(false);
        accepted.add(index);
        stream.set(bytes, index * BLOCK_BYTES);
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

interface Attack {
  readonly name: string;
  readonly behaviour: () => Behaviour;
  /** banned: caught lying · kept: only scored down, it did nothing that is proven a lie. */
  readonly fate: "banned" | "kept";
  /** Blocks accepted from a liar that is alone. */
  readonly acceptedAlone: number;
}

/** Answers blocks with `forge`; the rest honestly. */
const forging = (
  forge: (honest: Uint8Array, index: number, nth: number) => Uint8Array,
): (() => Behaviour) =>
  function behaviour() {
    return {
      onMessage(message, talk) {
        if (message.type !== "block") return false;
        const honest = talk.honestly(message);
        if (honest.type !== "block") return false;
        talk.say({ ...honest, bytes: forge(honest.bytes, message.index, talk.blocks) });
        return true;
      },
    };
  };

/** Answers one kind of request as it likes. */
const answering = (
  type: ClientMessage["type"],
  onMessage: NonNullable<Behaviour["onMessage"]>,
): (() => Behaviour) =>
  function behaviour() {
    return { onMessage: (message, talk) => message.type === type && onMessage(message, talk) };
  };

const stale = (): TestRelease => world.release({ version: "1.0.0", blocks: BLOCKS, salt: 77 });
const elsewhere = (): TestRelease =>
  world.release({
    version: "1.0.1",
    blocks: BLOCKS,
    salt: 78,
    name: { ...APP, target: "linux-arm64" },
  });

/** Region and table of another release, as answers to questions about this one. */
const manifestOf = (other: () => TestRelease): (() => Behaviour) =>
  function behaviour() {
    const { region, table } = other();
    return {
      onMessage(message, talk) {
        if (message.type === "region") talk.say({ type: "region", id: message.id, bytes: region });
        else if (message.type === "table") {
          talk.say({ type: "table", id: message.id, bytes: table.hashes });
        } else return false;
        return true;
      },
    };
  };

const ATTACKS: readonly Attack[] = [
  {
    name: "D1: a wrong block of the right length",
    behaviour: forging((bytes) => bent(bytes)),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D1: a block that is too short",
    behaviour: forging((bytes) => bytes.subarray(1)),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D1: the right block at another place",
    behaviour: forging((_, index) =>
      release.bytes.slice((index ^ 1) * BLOCK_BYTES).subarray(0, BLOCK_BYTES),
    ),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D2: right blocks, and the last one wrong",
    behaviour: forging((bytes, index) => (index === BLOCKS - 1 ? bent(bytes) : bytes)),
    fate: "banned",
    acceptedAlone: BLOCKS - 1,
  },
  {
    name: "D2: right at first, then wrong",
    behaviour: forging((bytes, _, nth) => (nth > 2 ? bent(bytes) : bytes)),
    fate: "banned",
    acceptedAlone: 2,
  },
  {
    name: "D3: never answers anything",
    behaviour: () => ({ onMessage: () => true }),
    fate: "kept",
    acceptedAlone: 0,
  },
  {
    name: "D3: gives region and table, never a block",
    behaviour: answering("block", () => true),
    fate: "kept",
    acceptedAlone: 0,
  },
  {
    name: "D3: one byte a second",
    behaviour: answering("block", (message, talk) => {
      // The frame's length says 64 KiB; then a byte now and then.
      const raw = talk.stream.rawStream as unknown as { write(bytes: Uint8Array): boolean };
      if (talk.blocks > 1) return true;
      raw.write(Uint8Array.of(0, 0, 1));
      const timer = setInterval(() => raw.write(Uint8Array.of(0)), 1_000 / SPEED);
      talk.stream.on("close", () => clearInterval(timer));
      return message.type === "block";
    }),
    fate: "kept",
    acceptedAlone: 0,
  },
  {
    name: "D3: answers when the deadline is over",
    behaviour: answering("block", async (message, talk) => {
      await Bun.sleep(12_000 / SPEED);
      if (message.type === "block" && !talk.stream.destroyed) talk.say(talk.honestly(message));
      return true;
    }),
    fate: "kept",
    acceptedAlone: 0,
  },
  {
    name: "D4: endless data after the first block",
    behaviour: answering("block", (message, talk) => {
      if (message.type !== "block") return false;
      talk.say(talk.honestly(message));
      talk.say(talk.honestly(message));
      return true;
    }),
    fate: "banned",
    acceptedAlone: 1,
  },
  {
    name: "D4: a frame above the limit",
    behaviour: answering("block", (_, talk) => {
      talk.sayRaw(new Uint8Array(FRAME_MAX_BYTES + 1));
      return true;
    }),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D5: hangs up at every block",
    behaviour: answering("block", (_, talk) => {
      talk.hangUp();
      return true;
    }),
    fate: "kept",
    acceptedAlone: 0,
  },
  {
    name: "D6: knows the record, has nothing",
    behaviour: () => ({
      onMessage(message, talk) {
        if (!("id" in message)) return false;
        talk.say({ type: "error", id: message.id, reason: "not-held" });
        return true;
      },
    }),
    fate: "kept",
    acceptedAlone: 0,
  },
  {
    name: "D7: region and table of an older release",
    behaviour: manifestOf(stale),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D7: region and table of another target",
    behaviour: manifestOf(elsewhere),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D7: the right region, the table of an older release",
    behaviour: () => {
      const { table } = stale();
      return answering("table", (message, talk) => {
        if (message.type === "table")
          talk.say({ type: "table", id: message.id, bytes: table.hashes });
        return true;
      })();
    },
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D7: the region of an older release, the right table",
    behaviour: () => {
      const { region } = stale();
      return answering("region", (message, talk) => {
        if (message.type === "region") talk.say({ type: "region", id: message.id, bytes: region });
        return true;
      })();
    },
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D7: a table with one hash less",
    behaviour: answering("table", (message, talk) => {
      const bytes = release.table.hashes.subarray(HASH_BYTES);
      if (message.type === "table") talk.say({ type: "table", id: message.id, bytes });
      return true;
    }),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D8: a forged record of a newer version",
    behaviour: () => ({
      record: bentSignature(
        makeRelease(world.seed, {
          version: "9.0.0",
          publishedS: release.record.record.publishedS + 60,
        }).record,
      ),
    }),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D8: a newer version of another owner",
    behaviour: () => ({
      record: makeRelease(generateSeed(), {
        version: "9.0.0",
        publishedS: release.record.record.publishedS + 60,
      }).record,
    }),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D9: the valid record, region and table, and bytes of its own",
    behaviour: forging((bytes) => noise(bytes.length, 99).slice()),
    fate: "banned",
    acceptedAlone: 0,
  },
  {
    name: "D9: the valid record and region, and a table of its own bytes",
    behaviour: () => {
      const own = noise(release.bytes.length, 5);
      const table = BlockTable.ofStream(memorySource(own));
      return {
        onMessage(message, talk) {
          if (message.type === "table") {
            talk.say({ type: "table", id: message.id, bytes: table.hashes });
            return true;
          }
          if (message.type !== "block") return false;
          const { offset, sizeBytes } = table.blockRange(message.index);
          talk.say({ type: "block", id: message.id, bytes: own.slice(offset, offset + sizeBytes) });
          return true;
        },
      };
    },
    fate: "banned",
    acceptedAlone: 0,
  },
];

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
        expect(accepted.size).toBe(acceptedAlone);
        expect(from.peers.isBanned(liar.id)).toBe(fate === "banned");
        // Dropped after one lie: it was not even visited a second time.
        if (fate === "banned") expect(liar.visits()).toBe(1);
        // Given up in time, and tried again after a while.
        else expect(liar.visits()).toBeGreaterThan(1);
        // I3: what it claimed has become no state of ours.
        expect(from.newest.current?.record.version.text ?? "1.0.1").toBe("1.0.1");
      },
      20_000,
    );
  }
});

for (const count of [1, LIARS]) {
  describe(`one honest peer and ${count} of these: the download completes`, () => {
    for (const { name, behaviour } of ATTACKS) {
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
        20_000,
      );
    }
  });
}
