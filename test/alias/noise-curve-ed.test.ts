import { beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import * as ours from "../../embed/alias/noise-curve-ed.ts";
import { ready } from "../../embed/alias/sodium.ts";

/** By its path: the name resolves to ours. */
const original = createRequire(import.meta.url)(
  "../../node_modules/noise-curve-ed/index.js",
) as typeof ours;

beforeAll(() => ready);

test("names and lengths of the original", () => {
  const { ALG, DHLEN, PKLEN, SCALARLEN, SKLEN, name } = original;
  expect(ours).toMatchObject({ ALG, DHLEN, PKLEN, SCALARLEN, SKLEN, name });
});

test("key pairs and shared secrets are the original's, asked once or again", () => {
  for (let i = 0; i < 20; i++) {
    const seed = randomBytes(32);
    const pair = ours.generateKeyPair(seed);
    expect(pair).toEqual(original.generateKeyPair(seed));
    const peer = ours.generateKeyPair();
    const secret = original.dh(peer.publicKey, pair);
    for (let again = 0; again < 3; again++) {
      const answer = ours.dh(peer.publicKey, pair);
      expect(answer).toEqual(secret);
      // The caller's own: overwriting it must not reach the next one.
      answer.fill(0);
    }
    expect(ours.dh(pair.publicKey, peer)).toEqual(secret);
  }
});

test("a pair made ahead is nobody else's, even after its owner has overwritten it", async () => {
  const seen = new Set<string>();
  for (let i = 0; i < 4; i++) {
    const [ahead, atOnce] = [ours.generateKeyPair(), ours.generateKeyPair()];
    for (const pair of [ahead, atOnce]) {
      seen.add(Buffer.from(pair.publicKey).toString("hex"));
      expect(original.generateKeyPair(pair.secretKey)).toEqual(pair);
      const peer = original.generateKeyPair();
      expect(ours.dh(peer.publicKey, pair)).toEqual(original.dh(pair.publicKey, peer));
      // As a handshake does when it is over.
      pair.secretKey.fill(0);
      pair.publicKey.fill(0);
    }
    await Bun.sleep(5);
  }
  expect(seen.size).toBe(8);
});

test("a tweaked key's scalar is taken as it is", () => {
  const peer = ours.generateKeyPair();
  const { publicKey, secretKey } = ours.generateKeyPair();
  // Above every clamped scalar's lowest bits.
  const scalar = Buffer.alloc(32, 3);
  const tweaked = { publicKey, secretKey, scalar };
  expect(ours.dh(peer.publicKey, tweaked)).toEqual(original.dh(peer.publicKey, tweaked));
});

test("remembers each peer of many under its own key", () => {
  const pair = ours.generateKeyPair();
  const peers = Array.from({ length: 40 }, () => ours.generateKeyPair());
  for (const peer of [...peers, ...peers.toReversed()]) {
    expect(ours.dh(peer.publicKey, pair)).toEqual(original.dh(peer.publicKey, pair));
  }
});

test("refuses a point of small order, every time", () => {
  const pair = ours.generateKeyPair();
  const identity = Buffer.alloc(32);
  identity[0] = 1;
  for (let again = 0; again < 2; again++) expect(() => ours.dh(identity, pair)).toThrow("status");
  expect(() => ours.dh(Buffer.alloc(31), pair)).toThrow("PKLEN");
});
