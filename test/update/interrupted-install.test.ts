/**
 * An installation, and the way back, that is killed or refused by the system at some of its system calls
 * (attacks F1, F10, F15, H5): other ones each time. All of them: test/faults/run.ts.
 */
import { describe, expect, test } from "bun:test";
import { injectAll } from "../faults/inject.ts";
import { randomFrom } from "../faults/plan.ts";
import { hasStrace } from "../faults/strace.ts";
import { smallWorld } from "../faults/small-world.ts";
import { withDirectory } from "../helpers/executable.ts";

/** For each of the seven scenarios. */
const FAULTS = 14;
const POINTS_PER_CALL = 24;
const TIMEOUT_MS = 120_000;

const seed = Number(process.env["FAULT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

if (!hasStrace) console.log("skipped, because strace is not installed");

describe.skipIf(!hasStrace)("a fault at a system call", () => {
  test(
    "leaves a complete version, which a later one can replace, and nothing else",
    async () => {
      console.log(`FAULT_SEED=${seed}`);
      const results = await withDirectory(async (directory) =>
        injectAll(await smallWorld(directory), {
          count: FAULTS,
          perCall: POINTS_PER_CALL,
          random: randomFrom(seed),
          atOnce: 2,
        }),
      );
      expect(results.filter(({ problem }) => problem !== undefined)).toEqual([]);
      expect(results.filter(({ isHit }) => isHit).length).toBeGreaterThan(6 * FAULTS);
    },
    TIMEOUT_MS,
  );
});
