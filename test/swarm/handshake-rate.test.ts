import { expect, test } from "bun:test";
import { HANDSHAKE_BURST, HANDSHAKE_PARTIES_MAX, HANDSHAKES_PER_S } from "../../src/core/limits.ts";
import { HandshakeRate } from "../../src/swarm/handshake-rate.ts";

/** How many of so many attempts are let through. */
function allowed(rate: HandshakeRate, party: string, nowMs: number, attempts: number): number {
  return Array.from({ length: attempts }).filter(() => rate.allows(party, nowMs)).length;
}

test("D5: a party has a burst, then so many a second, however often it tries", () => {
  const rate = new HandshakeRate();
  expect(allowed(rate, "10.0.0.1", 0, 1_000)).toBe(HANDSHAKE_BURST);
  let later = 0;
  for (let ms = 10; ms <= 10_000; ms += 10) later += allowed(rate, "10.0.0.1", ms, 5);
  expect(later).toBe(10 * HANDSHAKES_PER_S);
  expect(allowed(rate, "10.0.0.2", 10_000, 1_000)).toBe(HANDSHAKE_BURST);
  expect(allowed(rate, "10.0.0.1", 3_600_000, 1_000)).toBe(HANDSHAKE_BURST);
});

test("of many parties the last ones are remembered", () => {
  const rate = new HandshakeRate();
  allowed(rate, "first", 0, HANDSHAKE_BURST);
  expect(rate.allows("first", 0)).toBe(false);
  for (let party = 0; party < HANDSHAKE_PARTIES_MAX; party++) rate.allows(`${party}`, 0);
  expect(rate.allows("first", 0)).toBe(true);
});
