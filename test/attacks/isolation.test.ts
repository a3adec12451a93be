/** Attempts to keep a copy apart from its swarm: what it has met before, and whom it meets, leads it back. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, statSync, writeFileSync } from "node:fs";
import type HyperDHT from "@hyperswarm/dht";
import { concat, toHex } from "../../src/core/bytes.ts";
import { unixMinute } from "../../src/core/clock.ts";
import { blake2b256 } from "../../src/core/hash.ts";
import { CONTACT_NODES_MAX, CONTACT_PEERS_MAX, PEERS_MAX } from "../../src/core/limits.ts";
import { compactUint } from "../../src/core/release-record.ts";
import { targetPublicKey } from "../../src/core/target-key.ts";
import { loadHyperDHT } from "../../src/swarm/node.ts";
import { Peers } from "../../src/swarm/peers.ts";
import type { Swarm } from "../../src/swarm/swarm.ts";
import { topicOf } from "../../src/swarm/topic.ts";
import {
  decodeContacts,
  encodeContacts,
  readContacts,
  writeContacts,
} from "../../src/update/contacts-file.ts";
import { FakeClock } from "../helpers/clock.ts";
import { InstalledApp } from "../helpers/installed.ts";
import { APP, noise, type TestRelease } from "../helpers/release.ts";
import { SwarmWorld } from "../helpers/swarm-world.ts";

const NODES = 30;
const NOW_S = Math.floor(Date.now() / 1000);
const HyperDHTClass = await loadHyperDHT();
let world: SwarmWorld;
let old: TestRelease;
let release: TestRelease;

/** A DHT on loopback with one owner, and two releases. */
async function begin(nodes: number): Promise<void> {
  world = await SwarmWorld.create(nodes);
  old = world.release({ version: "1.0.0", blocks: 1, publishedS: NOW_S - 100 });
  release = world.release({ version: "1.0.1", blocks: 2, publishedS: NOW_S });
}

interface Persistent {
  mutables: { set(key: string, value: Uint8Array): void };
  onmutableput: (request: { reply(value: null): void }) => void;
}

/** Every DHT node knows the old record alone, and takes no other. */
function freeze(): void {
  const { record, bytes, signature } = old.record;
  const value = concat(compactUint(record.publishedS), compactUint(bytes.length), bytes, signature);
  const key = toHex(blake2b256(targetPublicKey(world.owner, APP)));
  for (const node of world.net.nodes) {
    const persistent = Reflect.get(node, "_persistent") as Persistent | null;
    if (persistent === null) continue;
    persistent.mutables.set(key, Buffer.from(value));
    persistent.onmutableput = (request) => request.reply(null);
  }
}

/** Keys under which nobody is, this minute and the next: more of them than anybody remembers peers. */
async function sybils(count: number): Promise<void> {
  const node: HyperDHT = await world.net.createNode();
  const minute = unixMinute(Date.now());
  for (let done = 0; done < count; done += 20) {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const keys = HyperDHTClass.keyPair();
        for (const slot of [minute, minute + 1]) {
          await node.announce(topicOf(world.scope, slot), keys, []).finished();
        }
      }),
    );
  }
}

/** Looks until it finds 1.0.1, as every copy does each minute. */
async function roundsUntilFound(swarm: Swarm, rounds: number): Promise<number> {
  for (let round = 1; round <= rounds; round++) {
    const found = await swarm.discover();
    if (found?.record.version.text === "1.0.1") return round;
  }
  return Infinity;
}

describe("E9: a topic full of keys of others, and nodes that freeze an old record", () => {
  beforeEach(() => begin(NODES));
  afterEach(() => world.destroy());

  test("one member from an earlier run is enough", async () => {
    freeze();
    await sybils(PEERS_MAX + 10);
    // Reached by its key alone: on the topic it has no place.
    const honest = await world.provider([release]);
    const alone = await world.swarm();
    expect(await roundsUntilFound(alone, 1)).toBe(Infinity);
    const victim = await world.swarm({ contacts: { peers: [honest.publicKey], nodes: [] } });
    expect(await roundsUntilFound(victim, 2)).toBeLessThanOrEqual(2);
    expect(victim.contacts.peers.map((key) => toHex(key))).toContain(toHex(honest.publicKey));
  }, 60_000);

  test("one member that is met knows others", async () => {
    freeze();
    const honest = await world.provider([release]);
    // Knows the newest release itself only from then on, and is known to the victim alone.
    const member = await world.swarm({ contacts: { peers: [honest.publicKey], nodes: [] } });
    member.serve(old);
    await member.discover();
    await sybils(20);
    const victim = await world.swarm({ contacts: { peers: [member.publicKey], nodes: [] } });
    expect(await roundsUntilFound(victim, 4)).toBeLessThanOrEqual(4);
    await victim.discover();
    expect(victim.contacts.peers.map((key) => toHex(key))).toContain(toHex(honest.publicKey));
  }, 60_000);
});

test("E9: members are not pushed out by strangers, however many there are", () => {
  const clock = new FakeClock();
  const peers = new Peers(clock, new Uint8Array(32).fill(0xee));
  const members = [1, 2, 3].map((salt) => noise(32, salt));
  for (const key of members) {
    peers.hear(key);
    peers.welcomed(toHex(key));
    clock.advance(1);
  }
  for (let salt = 100; salt < 100 + 20 * PEERS_MAX; salt++) peers.add(noise(32, salt), []);
  expect(peers.size).toBe(PEERS_MAX);
  expect(peers.members(2).map(({ publicKey }) => publicKey)).toEqual(members.slice(0, 2));
  // Who is gone, is: a key is for one run.
  const [first] = members;
  for (let dial = 0; dial < 2; dial++) peers.failed(toHex(first ?? new Uint8Array(0)));
  expect(peers.members(9).map(({ publicKey }) => publicKey)).toEqual(members.slice(1));
});

describe("E11: all bootstrap nodes are down", () => {
  beforeEach(() => begin(NODES));
  afterEach(() => world.destroy());

  test("nodes of an earlier run lead into the DHT; without them there is no way", async () => {
    const earlier = await world.swarm({ newest: release.record });
    await earlier.discover();
    const { contacts } = earlier;
    expect(contacts.nodes.length).toBeGreaterThan(3);
    await earlier.destroy();
    const ports = world.net.bootstrap.map(({ port }) => port);
    for (const node of world.net.nodes) {
      if (ports.includes(node.address()?.port ?? 0)) await node.destroy();
    }
    const lost = await world.swarm();
    const saved = await world.swarm({ contacts });
    expect(await roundsUntilFound(saved, 3)).toBeLessThanOrEqual(3);
    expect((await lost.discover())?.record.version.text).toBeUndefined();
  }, 60_000);
});

describe("contacts of earlier runs on the disk", () => {
  const log = (): void => undefined;
  const contacts = {
    peers: [noise(32, 1).slice(), noise(32, 2).slice()],
    nodes: [
      { host: "127.0.0.1", port: 65_535 },
      { host: "203.0.113.255", port: 1 },
    ],
  };

  test("are written, read, private, and bounded", () => {
    const app = new InstalledApp();
    expect(readContacts(app.installation, log)).toBeUndefined();
    writeContacts(app.installation, contacts, log);
    expect(readContacts(app.installation, log)).toEqual(contacts);
    expect(statSync(app.installation.contactsPath).mode & 0o777).toBe(0o600);
    // Who was offline does not forget.
    writeContacts(app.installation, { peers: [], nodes: [] }, log);
    expect(readContacts(app.installation, log)).toEqual(contacts);
    const many = {
      peers: Array.from({ length: 99 }, (_, salt) => noise(32, salt).slice()),
      nodes: Array.from({ length: 99 }, () => ({ host: "127.0.0.1", port: 7 })),
    };
    writeContacts(app.installation, many, log);
    const kept = readContacts(app.installation, log);
    expect([kept?.peers.length, kept?.nodes.length]).toEqual([
      CONTACT_PEERS_MAX,
      CONTACT_NODES_MAX,
    ]);
    app.remove();
  });

  test("of a file that others may write to, or that is anything else, are none", () => {
    const app = new InstalledApp();
    writeContacts(app.installation, contacts, log);
    chmodSync(app.installation.contactsPath, 0o666);
    expect(readContacts(app.installation, log)).toBeUndefined();
    chmodSync(app.installation.contactsPath, 0o600);
    const good = encodeContacts(contacts);
    for (let size = 0; size < good.length; size++) {
      writeFileSync(app.installation.contactsPath, good.subarray(0, size));
      expect(readContacts(app.installation, log)).toBeUndefined();
    }
    writeFileSync(app.installation.contactsPath, noise(5_000, 3));
    expect(readContacts(app.installation, log)).toBeUndefined();
    expect(decodeContacts(good)).toEqual(contacts);
    app.remove();
  });
});

test("C7: peers are exchanged once in a connection, and no more than the cap", async () => {
  await begin(3);
  const provider = await world.provider([release]);
  const first = await (await world.rawClient(provider.publicKey)).enter();
  const second = await (await world.rawClient(provider.publicKey)).enter();
  const keys = concat(...Array.from({ length: 16 }, (_, salt) => noise(32, salt + 1)));
  second.send({ type: "peers", id: 1, keys });
  const answer = await second.answer("peers");
  // The other client is a member, since it knew the owner key; we are not told of ourselves.
  expect(toHex(answer.bytes)).toBe(toHex(first.stream.publicKey));
  expect(provider.peers.size).toBe(16);
  second.send({ type: "peers", id: 2, keys });
  await second.dropped;
  expect(first.isClosed).toBe(false);
  await world.destroy();
});
