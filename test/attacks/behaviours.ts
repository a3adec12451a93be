/** What peers do to a getter: each lie of its own, everything else honest. */
import { zstdCompressSync } from "node:zlib";
import { concat } from "../../src/core/bytes.ts";
import { FRAME_MAX_BYTES, TABLE_PAGE_MAX_BYTES } from "../../src/core/limits.ts";
import { memorySource } from "../../src/core/source.ts";
import { encodePage } from "../../src/content/outline.ts";
import { encodePiece, isTooLarge } from "../../src/content/piece.ts";
import { ChunkTable } from "../../src/content/table.ts";
import type { SignedRecord } from "../../src/exe/extension.ts";
import type { Holding } from "../../src/swarm/holdings.ts";
import type { ClientMessage, Request } from "../../src/swarm/messages.ts";
import { noise } from "../helpers/release.ts";
import { bent, type Behaviour, type Conversation } from "./evil-provider.ts";

type PieceRequest = Extract<Request, { type: "piece" }>;

export interface AttackTarget {
  /** What the getter wants. */
  readonly release: () => Holding;
  /** An older release of the same owner. */
  readonly stale: () => Holding;
  /** A release for another target. */
  readonly elsewhere: () => Holding;
  /** A newer version whose signature does not fit. */
  readonly forged: () => SignedRecord;
  /** A newer version of another owner. */
  readonly foreign: () => SignedRecord;
  /** The getter's deadlines pass so much faster. */
  readonly speed: number;
}

export interface Attack {
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

/** Past the encryption, as an attacker's own transport would write. */
function rawOf({ stream }: Conversation): { write(bytes: Uint8Array): boolean } {
  return stream.rawStream as unknown as { write(bytes: Uint8Array): boolean };
}

/** What a getter has not asked for in any way. */
const UNASKED_DELTA = encodePiece(new Uint8Array(60_000), Uint8Array.of(0, 0));

/** 64 MiB in a few kilobytes. */
const BOMB = concat(Uint8Array.of(1), zstdCompressSync(new Uint8Array(1 << 26)));

const pageOf = (table: ChunkTable): Uint8Array =>
  encodePage(table, 0, new Uint8Array(0), TABLE_PAGE_MAX_BYTES);

/** Region and table of another release, as answers to questions about this one. */
const manifestOf = (other: () => Holding): (() => Behaviour) =>
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

/** Every lie, by the number of its case. What they lie about is asked for when somebody has come to be lied to. */
export function attacksOn(target: AttackTarget): readonly Attack[] {
  const { speed } = target;
  /** One for all: it can be as large as an executable. */
  let made: ReturnType<typeof madeUp> | undefined;
  return [
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
        const { offset, sizeBytes } = target.release().table.rangeOf(first, count);
        const other = offset === 0 ? 1 : offset - 1;
        return encodePiece(bytesOf(target.release(), other, sizeBytes));
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
          return given === target.release().table.count ? bent(bytes) : bytes;
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
        const raw = rawOf(talk);
        if (talk.pieces > 1) return true;
        raw.write(Uint8Array.of(0, 0, 1));
        const timer = setInterval(() => raw.write(Uint8Array.of(0)), 1_000 / speed);
        talk.stream.on("close", () => clearInterval(timer));
        return message.type === "piece";
      }),
      fate: "kept",
      acceptedAlone: "nothing",
    },
    {
      name: "D3: answers when the deadline is over",
      behaviour: answering("piece", async (message, talk) => {
        await Bun.sleep(12_000 / speed);
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
      name: "D11: claims a frame of 16 MiB, and then nothing comes",
      behaviour: answering("piece", (_, talk) => {
        rawOf(talk).write(Uint8Array.of(0xff, 0xff, 0xff, 0));
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
      behaviour: manifestOf(target.stale),
      fate: "banned",
      acceptedAlone: "nothing",
    },
    {
      name: "D7: region and table of another target",
      behaviour: manifestOf(target.elsewhere),
      fate: "banned",
      acceptedAlone: "nothing",
    },
    {
      name: "D7: the right region, the table of an older release",
      behaviour: () => {
        const { table } = target.stale();
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
        const { region } = target.stale();
        return answering("region", (message, talk) => {
          if (message.type === "region")
            talk.say({ type: "region", id: message.id, bytes: encodePiece(region) });
          return true;
        })();
      },
      fate: "banned",
      acceptedAlone: "nothing",
    },
    {
      name: "D7: a table whose last chunk has another hash",
      behaviour: answering("table", (message, talk) => {
        const bytes = bent(pageOf(target.release().table));
        if (message.type === "table") talk.say({ type: "table", id: message.id, bytes });
        return true;
      }),
      fate: "banned",
      acceptedAlone: "nothing",
    },
    {
      name: "D8: a forged record of a newer version",
      behaviour: () => ({ record: target.forged() }),
      fate: "banned",
      acceptedAlone: "nothing",
    },
    {
      name: "D8: a newer version of another owner",
      behaviour: () => ({ record: target.foreign() }),
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
        made ??= madeUp(target.release().stream.sizeBytes);
        const { own, table } = made;
        return {
          onMessage(message, talk) {
            if (message.type === "table") {
              talk.say({ type: "table", id: message.id, bytes: pageOf(table) });
              return true;
            }
            if (message.type !== "piece") return false;
            // Asked by the table of somebody honest, whose chunks are others.
            const { offset, sizeBytes } = target
              .release()
              .table.rangeOf(message.first, message.count);
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
}

function bytesOf({ stream }: Holding, offset: number, sizeBytes: number): Uint8Array {
  return stream.read(offset, sizeBytes).slice();
}

function madeUp(sizeBytes: number): { readonly own: Uint8Array; readonly table: ChunkTable } {
  const own = noise(sizeBytes, 5);
  return { own, table: ChunkTable.ofStream(memorySource(own)) };
}
