import { expect, test } from "bun:test";
import { asContentRoot } from "../../src/core/brand.ts";
import { toHex } from "../../src/core/bytes.ts";
import { Adoption } from "../../src/swarm/adoption.ts";

const root = asContentRoot(new Uint8Array(32).fill(1));
const NEW = [toHex(root), "00"];
const OLD = ["00"];
const key = (n: number): Uint8Array => new Uint8Array(32).fill(n);

test("is the share of those met in the last two minutes that have the release", () => {
  const adoption = new Adoption(root);
  expect([adoption.percent(0), adoption.met(0)]).toEqual([undefined, 0]);
  adoption.meet(key(1), OLD, 0);
  adoption.meet(key(2), OLD, 1_000);
  adoption.meet(key(3), NEW, 2_000);
  expect([adoption.percent(2_000), adoption.met(2_000)]).toEqual([33, 3]);
  // Met again, with the release by now.
  adoption.meet(key(1), NEW, 60_000);
  expect(adoption.percent(60_000)).toBe(66);
  // 2 has restarted under another key, or is gone.
  expect([adoption.percent(121_001), adoption.met(121_001)]).toEqual([100, 2]);
  expect(adoption.percent(180_001)).toBeUndefined();
});
