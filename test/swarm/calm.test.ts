import { describe, expect, test } from "bun:test";
import { Calm } from "../../src/swarm/calm.ts";

const QUIET = { isHeldByDht: true, tried: 1, met: 1 };
const NOBODY = { isHeldByDht: true, tried: 1, met: 0 };

function after(...rounds: readonly (typeof QUIET)[]): boolean {
  const calm = new Calm();
  for (const round of rounds) calm.add(round);
  return calm.holds;
}

describe("all is quiet", () => {
  test("after five rounds in which the DHT had what we have", () => {
    expect(after(QUIET, QUIET, QUIET, QUIET)).toBe(false);
    expect(after(QUIET, QUIET, QUIET, QUIET, QUIET)).toBe(true);
  });

  test("no longer when the DHT lacks it in one, and not before five more", () => {
    const lacking = { ...QUIET, isHeldByDht: false };
    expect(after(QUIET, QUIET, QUIET, QUIET, QUIET, lacking)).toBe(false);
    expect(after(QUIET, lacking, QUIET, QUIET, QUIET, QUIET)).toBe(false);
    expect(after(lacking, QUIET, QUIET, QUIET, QUIET, QUIET)).toBe(true);
  });

  test("also when two of five that were dialled are gone, but not when three are", () => {
    expect(after(QUIET, NOBODY, QUIET, NOBODY, QUIET)).toBe(true);
    expect(after(QUIET, NOBODY, NOBODY, NOBODY, QUIET)).toBe(false);
  });

  test("not while nobody was met at all", () => {
    const alone = { isHeldByDht: true, tried: 0, met: 0 };
    expect(after(alone, alone, alone, alone, alone)).toBe(false);
  });

  test("no longer when something new has come", () => {
    const calm = new Calm();
    for (let rounds = 0; rounds < 5; rounds++) calm.add(QUIET);
    calm.end();
    expect(calm.holds).toBe(false);
  });
});
