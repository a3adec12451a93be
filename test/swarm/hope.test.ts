import { expect, test } from "bun:test";
import { Hope, LOOKS_PER_S } from "../../src/swarm/hope.ts";

/** Looks for so many seconds; what was to be done beside waiting, and when. */
function look(hope: Hope, seconds: number, isLooking = false): string[] {
  const done: string[] = [];
  for (let at = 1; at <= seconds * LOOKS_PER_S; at++) {
    const next = hope.look(isLooking);
    if (next !== "wait") done.push(`${at / LOOKS_PER_S} s: ${next}`);
    if (next === "give up") break;
  }
  return done;
}

test("a minute without a sign of life, then all are asked once more, then it is over", () => {
  expect(look(new Hope(), 300)).toEqual(["60 s: ask all once more", "85 s: give up"]);
});

test("nobody gives up while others are looked for", () => {
  const hope = new Hope();
  expect(look(hope, 100, true)).toEqual(["60 s: ask all once more"]);
  expect(look(hope, 100)).toEqual(["25 s: give up"]);
});

test("whatever is verified starts it anew, the last round as well", () => {
  const hope = new Hope();
  look(hope, 70);
  hope.fed();
  expect(look(hope, 300)).toEqual(["60 s: ask all once more", "85 s: give up"]);
});

test("who has it and is busy is worth waiting for, though not without end", () => {
  const hope = new Hope();
  const crowd = (seconds: number): string[] => {
    const done: string[] = [];
    for (let second = 0; second < seconds && !done.some((one) => one.includes("give")); second++) {
      hope.crowded();
      done.push(...look(hope, 1));
    }
    return done;
  };
  expect(crowd(590)).toEqual([]);
  expect(crowd(200)).toHaveLength(2);
  hope.fed();
  expect(crowd(590)).toEqual([]);
});
