import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import type { SwarmScope } from "../../src/swarm/scope.ts";
import { topicOf, topicsToScan } from "../../src/swarm/topic.ts";

const owner = publicKeyOf(generateSeed());
const scope: SwarmScope = {
  owner,
  name: { app: "a", target: "linux-x64", channel: "stable" },
  sharedSecret: undefined,
};

/** Written from the header of topic.ts. */
function expected({ owner, name, sharedSecret }: SwarmScope, minute: number): string {
  const hash = createHash("sha512");
  const parts = [
    "rustpatcher topic v1",
    owner,
    name.app,
    name.target,
    name.channel,
    sharedSecret ?? "",
  ];
  for (const part of parts) {
    const bytes = Buffer.from(part as string);
    const length = Buffer.alloc(2);
    length.writeUInt16LE(bytes.length);
    hash.update(length).update(bytes);
  }
  const slot = Buffer.alloc(8);
  slot.writeBigUInt64LE(BigInt(minute));
  return hash.update(slot).digest("hex").slice(0, 64);
}

test("is what the header of the file says", () => {
  expect(topicOf(scope, 29_000_000).toHex()).toBe(expected(scope, 29_000_000));
  const secret = { ...scope, sharedSecret: new Uint8Array(32).fill(7) };
  expect(topicOf(secret, 29_000_000).toHex()).toBe(expected(secret, 29_000_000));
});

test("differs by minute, owner, secret and every name, also when names are cut elsewhere", () => {
  const { name } = scope;
  const topics = [
    topicOf(scope, 1),
    topicOf(scope, 2),
    topicOf({ ...scope, owner: publicKeyOf(generateSeed()) }, 1),
    topicOf({ ...scope, sharedSecret: new Uint8Array(32) }, 1),
    topicOf({ ...scope, name: { ...name, app: "al", target: "inux-x64" } }, 1),
    topicOf({ ...scope, name: { ...name, target: "linux-x64s", channel: "table" } }, 1),
    topicOf({ ...scope, name: { ...name, channel: "beta" } }, 1),
  ];
  expect(new Set(topics.map((topic) => topic.toHex())).size).toBe(topics.length);
});

test("who looks scans this minute and the one before, so a minute's change hides nobody", () => {
  const scanned = topicsToScan(scope, 100).map((topic) => topic.toHex());
  expect(scanned).toEqual([topicOf(scope, 100).toHex(), topicOf(scope, 99).toHex()]);
});
