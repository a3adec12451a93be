import { expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import type HyperDHT from "@hyperswarm/dht";
import type { Address, Io } from "@hyperswarm/dht";
import { type GuardedIo, guardReplies } from "../../src/swarm/reply-guard.ts";
import { createNode, loadHyperDHT } from "../../src/swarm/node.ts";

const FRIEND: Address = { host: "127.0.0.1", port: 1000 };

/** A reply as in reply-guard.ts, with a body that dht-rpc ignores. */
function reply(tid: number, flags: readonly number[] = [0]): Buffer {
  return Buffer.from([0x13, ...flags, tid & 0xff, tid >>> 8, 127, 0, 0, 1, 0x39, 0x30]);
}

/** A guarded socket layer with requests 7 and 0x1234 in flight to FRIEND; collects what gets through. */
function guarded(): { io: GuardedIo; passed: Buffer[] } {
  const passed: Buffer[] = [];
  const io: GuardedIo = {
    inflight: [
      { tid: 7, to: FRIEND },
      { tid: 0x1234, to: FRIEND },
    ],
    onmessage: (_socket, buffer) => passed.push(buffer),
  };
  guardReplies(io);
  return { io, passed };
}

test("passes a reply from where the request went, and every request", () => {
  const { io, passed } = guarded();
  const request = Buffer.from([0x03, 0, 9, 9, 1, 2, 3, 4, 5, 6]);
  io.onmessage({}, reply(7), FRIEND);
  io.onmessage({}, reply(0x1234), FRIEND);
  io.onmessage({}, request, { host: "127.0.0.9", port: 9 });
  expect(passed).toEqual([reply(7), reply(0x1234), request]);
});

test("drops a reply from another host or port, or with no request in flight", () => {
  const { io, passed } = guarded();
  io.onmessage({}, reply(7), { host: "127.0.0.1", port: 1001 });
  io.onmessage({}, reply(7), { host: "127.0.0.2", port: 1000 });
  io.onmessage({}, reply(8), FRIEND);
  io.onmessage({}, reply(0x3412), FRIEND);
  expect(passed).toEqual([]);
});

test("drops a reply whose flags would move the transaction id, and every cut of a header", () => {
  const { io, passed } = guarded();
  // 0xfd announces two more bytes: dht-rpc would read id 7 where a fixed offset reads 0.
  io.onmessage({}, reply(7, [0xfd, 0, 0]), FRIEND);
  io.onmessage({}, reply(7, [0xfe, 0, 0, 0, 0]), FRIEND);
  for (let length = 1; length < reply(7).byteLength; length++) {
    io.onmessage({}, reply(7).subarray(0, length), FRIEND);
  }
  expect(passed).toEqual([]);
});

/**
 * Attack E8. One routing node of several answers not only the request it got from the victim but also
 * those that the victim sent to others, by guessing their ids: "nothing here, no other nodes". The others are
 * farther away, so the forgeries arrive first.
 */
const LOOKUPS = 20;
const HONEST_NODES = 6;
const HONEST_DELAY_MS = 8;
/** Ids before and after the one it was sent that the attacker answers as well. */
const GUESSES = 30;
const LOOKUP_TIMEOUT_MS = 2_000;
const TEST_TIMEOUT_MS = 60_000;
const REQUEST_ID = 0x03;

interface Sending {
  trySend(buffer: Buffer, port: number, host: string): void;
}

/** Starts a routing node whose incoming messages go through `receive`. */
async function startNode(
  bootstrap: readonly Address[],
  receive: (accept: Io["onmessage"]) => Io["onmessage"],
): Promise<HyperDHT> {
  const constructor = await loadHyperDHT();
  const node = new constructor({
    bootstrap: [...bootstrap],
    host: "127.0.0.1",
    port: [0, 0],
    ephemeral: false,
    firewalled: false,
  });
  node.io.onmessage = receive(node.io.onmessage.bind(node.io));
  await node.fullyBootstrapped();
  return node;
}

const farAway =
  (accept: Io["onmessage"]): Io["onmessage"] =>
  (...message) => {
    setTimeout(accept, HONEST_DELAY_MS, ...message);
  };

/** How many of 20 lookups find the record while one node of seven forges replies to `createVictim`'s. */
async function lookupsUnderAttack(
  createVictim: (bootstrap: Address[]) => Promise<HyperDHT>,
): Promise<{ found: number; forged: number }> {
  const nodes: HyperDHT[] = [];
  let victimPort = 0;
  let forged = 0;
  try {
    const first = await startNode([], farAway);
    nodes.push(first);
    const bootstrap = [{ host: "127.0.0.1", port: first.address()?.port ?? 0 }];
    while (nodes.length < HONEST_NODES) nodes.push(await startNode(bootstrap, farAway));
    const attacker = await startNode(bootstrap, (accept) => (socket, buffer, from) => {
      if (buffer[0] === REQUEST_ID && from.port === victimPort) {
        const tid = buffer.readUInt16LE(2);
        for (let guess = tid - GUESSES; guess <= tid + GUESSES; guess++) {
          forged++;
          (socket as Sending).trySend(reply(guess & 0xffff), from.port, from.host);
        }
        return;
      }
      accept(socket, buffer, from);
    });
    nodes.push(attacker);

    const { defaultKeyPair } = first;
    await first.mutablePut(defaultKeyPair, Buffer.from("the record"), { seq: 1 });
    const victim = await createVictim(bootstrap);
    nodes.push(victim);
    await victim.fullyBootstrapped();
    const { port } = attacker.address() ?? {};
    expect(victim.toArray().some((known) => known.port === port)).toBe(true);

    victimPort = victim.address()?.port ?? 0;
    let found = 0;
    for (let i = 0; i < LOOKUPS; i++) {
      const result = await Promise.race([
        victim.mutableGet(defaultKeyPair.publicKey),
        sleep(LOOKUP_TIMEOUT_MS, null),
      ]);
      if (result?.value.toString() === "the record") found++;
    }
    return { found, forged };
  } finally {
    for (const node of nodes.toReversed()) await node.destroy({ force: true });
  }
}

test(
  "lookups succeed while one of the nodes forges the others' replies",
  async () => {
    const { found, forged } = await lookupsUnderAttack((bootstrap) =>
      createNode({ bootstrap, host: "127.0.0.1", firewalled: false, ephemeral: true }),
    );
    expect(forged).toBeGreaterThanOrEqual(LOOKUPS * GUESSES);
    expect(found).toBe(LOOKUPS);
  },
  TEST_TIMEOUT_MS,
);

test(
  "without the guard the same attack makes lookups fail",
  async () => {
    const constructor = await loadHyperDHT();
    const { found, forged } = await lookupsUnderAttack(async (bootstrap) => {
      const host = "127.0.0.1";
      return new constructor({ bootstrap, host, port: [0, 0], firewalled: false, ephemeral: true });
    });
    expect(forged).toBeGreaterThanOrEqual(LOOKUPS * GUESSES);
    console.log(`without the guard ${found} of ${LOOKUPS} lookups succeed`);
    expect(found).toBeLessThan(LOOKUPS);
  },
  TEST_TIMEOUT_MS,
);
