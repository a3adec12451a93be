/**
 * Attacks of group D, each three times: the liar alone (nothing it sends is accepted), with one honest
 * peer, and one honest peer among several liars (the download completes). That the lie is what is refused,
 * and not the liar's transport, shows the first test: the same peer without a lie is as good as any.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type HyperDHT from "@hyperswarm/dht";
import { zstdCompressSync } from "node:zlib";
import { concat } from "../../src/core/bytes.ts";
import { generateSeed } from "../../src/core/keys.ts";
import { FRAME_MAX_BYTES, TABLE_PAGE_MAX_BYTES } from "../../src/core/limits.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { encodePage } from "../../src/content/outline.ts";
import { encodePiece, isTooLarge } from "../../src/content/piece.ts";
import { memorySource } from "../../src/core/source.ts";
import type { ClientMessage, Request } from "../../src/swarm/messages.ts";
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

type PieceRequest = Extract<Request, { type: "piece" }>;

const BLOCKS = 6;
const LIARS = 20;
/** Nearly as many as are remembered, three times as many as there are places. */
const CROWD = 45;
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
}, 20_000);

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

/** What a fetch accepted, chunk by chunk. */
async function fetchAll(
  from: TestGetter,
): Promise<{ accepted: Set<number>; stream: Uint8Array | undefined; code: string | undefined }> {
  const accepted = new Set<number>();
  const stream = new Uint8Array(release.bytes.length);
  try {
    await from.fetch(release.record, {
      onChunk: ({ index, offset }, bytes) => {
        // Nothing that is accepted may be wrong, whatever else happens.
        expect(release.table.isChunk(index, bytes)).toBe(true);
        expect(accepted.has(index)).toBe(false);
        accepted.add(index);
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

interface Attack {
  readonly name: string;
  readonly behaviour: () => Behaviour;
  /** banned: caught lying · kept: only scored down, it did nothing that is proven a lie. */
  readonly fate: "banned" | "kept";
  /** What is accepted from a liar that is alone. */
  readonly acceptedAlone: "nothing" | "what was right";
}

/** Answers pieces with `forge`; the rest honestly. */
const forging = (
  forge: (honest: Uint8Array, asked: PieceRequest, nth: number) => Uint8Array,
): (() => Behaviour) =>
  function behaviour() {
    return {
      async onMessage(message, talk) {
        if (message.type !== "piece") return false;
        const honest = await talk.honestly(message);
        if (honest.type !== "piece") return false;
        talk.say({ ...honest, bytes: forge(honest.bytes, message, talk.pieces) });
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

/** What a getter has not asked for in any way. */
const UNASKED_DELTA = encodePiece(new Uint8Array(60_000), Uint8Array.of(0, 0));

/** 64 MiB in a few kilobytes. */
const BOMB = concat(Uint8Array.of(1), zstdCompressSync(new Uint8Array(1 << 26)));

const pageOf = (table: ChunkTable): Uint8Array =>
  encodePage(table, 0, new Uint8Array(0), TABLE_PAGE_MAX_BYTES);

/** Region and table of another release, as answers to questions about this one. */
const manifestOf = (other: () => TestRelease): (() => Behaviour) =>
  function behaviour() {
    const { region, table } = other();
    return {
      onMessage(message, talk) {
        if (message.type === "region") {
          talk.say({ type: "region", id: message.id, bytes: encodePiece(region) });
        } else if (message.type === "table") {
          talk.say({ type: "table", id: message.id, bytes: pageOf(table) });
        } else return false;
        return true;
      },
    };
  };

const ATTACKS: readonly Attack[] = [
  {
    name: "D1: a wrong piece of the right length",
    behaviour: forging((bytes) => bent(bytes)),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D1: a piece that is too short",
    behaviour: forging((bytes) => bytes.subarray(0, -1)),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D1: right bytes from another place",
    behaviour: forging((_, { first, count }) => {
      const { offset, sizeBytes } = release.table.rangeOf(first, count);
      const other = offset === 0 ? 1 : offset - 1;
      return encodePiece(release.bytes.subarray(other, other + sizeBytes));
    }),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D1: differences to nothing",
    behaviour: forging(() => UNASKED_DELTA),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D1: a form of a piece that there is not",
    behaviour: forging((bytes) => concat(Uint8Array.of(9), bytes.subarray(1))),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D1: says of every piece that it is too large",
    behaviour: forging(() => Uint8Array.of(3)),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D4: compressed zeros without end",
    behaviour: forging(() => BOMB),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D2: right pieces, and the last one wrong",
    behaviour: () => {
      let given = 0;
      return forging((bytes, { count }) => {
        // The halves of what is too large for one answer are still to come.
        if (isTooLarge(bytes)) return bytes;
        given += count;
        return given === release.table.count ? bent(bytes) : bytes;
      })();
    },
    fate: "banned",
    acceptedAlone: "what was right",
  },
  {
    name: "D2: right at first, then wrong",
    behaviour: () => {
      let given = 0;
      return forging((bytes) => (isTooLarge(bytes) || ++given <= 2 ? bytes : bent(bytes)))();
    },
    fate: "banned",
    acceptedAlone: "what was right",
  },
  {
    name: "D3: never answers anything",
    behaviour: () => ({ onMessage: () => true }),
    fate: "kept",
    acceptedAlone: "nothing",
  },
  {
    name: "D3: gives region and table, never a piece",
    behaviour: answering("piece", () => true),
    fate: "kept",
    acceptedAlone: "nothing",
  },
  {
    name: "D3: one byte a second",
    behaviour: answering("piece", (message, talk) => {
      // The frame's length says 64 KiB; then a byte now and then.
      const raw = talk.stream.rawStream as unknown as { write(bytes: Uint8Array): boolean };
      if (talk.pieces > 1) return true;
      raw.write(Uint8Array.of(0, 0, 1));
      const timer = setInterval(() => raw.write(Uint8Array.of(0)), 1_000 / SPEED);
      talk.stream.on("close", () => clearInterval(timer));
      return message.type === "piece";
    }),
    fate: "kept",
    acceptedAlone: "nothing",
  },
  {
    name: "D3: answers when the deadline is over",
    behaviour: answering("piece", async (message, talk) => {
      await Bun.sleep(12_000 / SPEED);
      if (message.type === "piece" && !talk.stream.destroyed) {
        talk.say(await talk.honestly(message));
      }
      return true;
    }),
    fate: "kept",
    acceptedAlone: "nothing",
  },
  {
    name: "D4: endless data after the first piece",
    behaviour: answering("piece", async (message, talk) => {
      if (message.type !== "piece") return false;
      const honest = await talk.honestly(message);
      talk.say(honest);
      talk.say(honest);
      return true;
    }),
    fate: "banned",
    acceptedAlone: "what was right",
  },
  {
    name: "D4: a frame above the limit",
    behaviour: answering("piece", (_, talk) => {
      talk.sayRaw(new Uint8Array(FRAME_MAX_BYTES + 1));
      return true;
    }),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D5: hangs up at every piece",
    behaviour: answering("piece", (_, talk) => {
      talk.hangUp();
      return true;
    }),
    fate: "kept",
    acceptedAlone: "nothing",
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
    acceptedAlone: "nothing",
  },
  {
    name: "D7: region and table of an older release",
    behaviour: manifestOf(stale),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D7: region and table of another target",
    behaviour: manifestOf(elsewhere),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D7: the right region, the table of an older release",
    behaviour: () => {
      const { table } = stale();
      return answering("table", (message, talk) => {
        if (message.type === "table") {
          talk.say({ type: "table", id: message.id, bytes: pageOf(table) });
        }
        return true;
      })();
    },
    fate: "banned",
    acceptedAlone: "nothing",
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
    acceptedAlone: "nothing",
  },
  {
    name: "D7: a table whose last chunk has another hash",
    behaviour: answering("table", (message, talk) => {
      const bytes = bent(pageOf(release.table));
      if (message.type === "table") talk.say({ type: "table", id: message.id, bytes });
      return true;
    }),
    fate: "banned",
    acceptedAlone: "nothing",
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
    acceptedAlone: "nothing",
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
    acceptedAlone: "nothing",
  },
  {
    name: "D9: the valid record, region and table, and bytes of its own",
    behaviour: forging((bytes) => encodePiece(noise(bytes.length - 1, 99).slice())),
    fate: "banned",
    acceptedAlone: "nothing",
  },
  {
    name: "D9: the valid record and region, and a table of its own bytes",
    behaviour: () => {
      const own = noise(release.bytes.length, 5);
      const table = ChunkTable.ofStream(memorySource(own));
      return {
        onMessage(message, talk) {
          if (message.type === "table") {
            talk.say({ type: "table", id: message.id, bytes: pageOf(table) });
            return true;
          }
          if (message.type !== "piece") return false;
          // Asked by the table of somebody honest, whose chunks are others.
          const { offset, sizeBytes } = release.table.rangeOf(message.first, message.count);
          const bytes = encodePiece(own.subarray(offset, offset + sizeBytes));
          talk.say({ type: "piece", id: message.id, bytes });
          return true;
        },
      };
    },
    fate: "banned",
    acceptedAlone: "nothing",
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
      20_000,
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
        20_000,
      );
    }
  });
}
