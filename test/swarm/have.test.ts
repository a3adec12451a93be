import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { asContentRoot } from "../../src/core/brand.ts";
import { EXECUTABLE_MAX_BYTES, FRAME_MAX_BYTES } from "../../src/core/limits.ts";
import { Have, HAVE_MAX_BYTES } from "../../src/swarm/have.ts";
import { encodeProviderMessage } from "../../src/swarm/encode-messages.ts";

describe("what somebody has", () => {
  test("told in steps it is the same as told at once, whatever came in which order", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }).chain((count) =>
          fc.tuple(
            fc.constant(count),
            fc.array(fc.array(fc.integer({ min: 0, max: count - 1 }), { maxLength: 30 }), {
              maxLength: 8,
            }),
          ),
        ),
        ([count, rounds]) => {
          const ours = new Have(count);
          const told = new Have();
          const theirs = new Have();
          for (const round of rounds) {
            for (const chunk of round) ours.add(chunk);
            const step = ours.since(told);
            if (step !== undefined) theirs.merge(step);
            expect(ours.since(told)).toBeUndefined();
          }
          for (let chunk = 0; chunk < count; chunk++) {
            expect(theirs.has(chunk)).toBe(ours.has(chunk));
          }
        },
      ),
    );
  });

  test("a step names no more than what was added", () => {
    const ours = new Have(4_000);
    const told = new Have();
    ours.add(17);
    expect(ours.since(told)).toEqual({ first: 16, bits: Uint8Array.of(2) });
    ours.add(18);
    ours.add(33);
    expect(ours.since(told)).toEqual({ first: 16, bits: Uint8Array.of(6, 0, 2) });
    expect(ours.isEmpty).toBe(false);
    expect(new Have(9).isEmpty).toBe(true);
  });

  test("C3: a claim far outside of any release takes no memory, and is not believed", () => {
    const theirs = new Have();
    theirs.merge({ first: 0xffff_fff8, bits: new Uint8Array(HAVE_MAX_BYTES).fill(0xff) });
    expect(theirs.has(0xffff_fff8)).toBe(false);
    expect(theirs.isEmpty).toBe(true);
    theirs.merge({ first: 8, bits: new Uint8Array(HAVE_MAX_BYTES).fill(0xff) });
    expect(theirs.has(8)).toBe(true);
    expect(theirs.has(HAVE_MAX_BYTES * 8)).toBe(false);
  });

  test("the largest executable fits one frame", () => {
    expect(HAVE_MAX_BYTES * 8 * 16_384).toBeGreaterThanOrEqual(EXECUTABLE_MAX_BYTES);
    const root = asContentRoot(new Uint8Array(32));
    const bits = new Uint8Array(HAVE_MAX_BYTES);
    const frame = encodeProviderMessage({ type: "have", root, first: 0, bits });
    expect(frame.length).toBeLessThanOrEqual(FRAME_MAX_BYTES);
  });
});
