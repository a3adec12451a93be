/**
 * Faults at every system call of an update's way onto the disk and back, in one command:
 *
 *   bun test/faults/run.ts [--seed N] [--small N] [--real N] [--at-once N]
 *
 * strace(1) kills the process at a call, or has the call fail. After each fault the executable's path must
 * hold one complete signed version, which starts; a later update must succeed; nothing may be left over.
 * `--small` faults for each scenario go into made-up executables of 128 KiB, which cannot be started, `--real`
 * ones into compiled apps of 110 MB, which are. Prints a table, and ends with 1 when one was bricked.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { digestOf } from "../helpers/installed.ts";
import { injectAll, type Result } from "./inject.ts";
import { randomFrom } from "./plan.ts";
import { hasStrace, KINDS } from "./strace.ts";
import { realWorld, smallWorld, type FaultWorld } from "./worlds.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    small: { type: "string", default: "260" },
    real: { type: "string", default: "110" },
    "at-once": { type: "string", default: "2" },
  },
});
const POINTS_PER_CALL = 24;

if (!hasStrace) throw new Error("strace is not installed");
const directory = mkdtempSync(join(tmpdir(), "rustpatcher-faults-"));
const startMs = performance.now();
let bricked = 0;
try {
  console.log(`seed ${values.seed}`);
  const random = randomFrom(Number(values.seed));
  for (const kind of ["small", "real"] as const) {
    const count = Number(values[kind]);
    if (count === 0) continue;
    const folder = join(directory, kind);
    const world = await (kind === "small" ? smallWorld(folder) : realWorld(folder));
    const results = await injectAll(world, {
      count,
      perCall: POINTS_PER_CALL,
      random,
      atOnce: Number(values["at-once"]),
      onResult: tell,
    });
    print(kind, results);
    checkUntouched(world);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
console.log(`${Math.round((performance.now() - startMs) / 1000)} s, bricked: ${bricked}`);
process.exitCode = bricked === 0 ? 0 : 1;

function tell({ scenario, fault, problem }: Result): void {
  if (problem === undefined) return;
  bricked++;
  console.log(`${scenario}: ${JSON.stringify(fault)}: ${problem}`);
}

/** Every installation was a second name of these files: one that is written to in place shows here. */
function checkUntouched({ releases }: FaultWorld): void {
  for (const { path, digest } of Object.values(releases)) {
    if (digestOf(path) !== digest) throw new Error(`${path} was written to`);
  }
}

function print(world: string, results: readonly Result[]): void {
  const hits = results.filter(({ isHit }) => isHit);
  console.log(`\n${world}: ${results.length} runs, ${hits.length} with the fault in them`);
  for (const [scenario, ofIt] of Map.groupBy(hits, (one) => one.scenario)) {
    console.log(`\n| ${scenario} | ${KINDS.join(" | ")} |`);
    console.log(`| --- |${" --: |".repeat(KINDS.length)}`);
    for (const [call, ofCall] of Map.groupBy(ofIt, ({ fault }) => fault.call)) {
      const counts = KINDS.map((kind) => ofCall.filter(({ fault }) => fault.kind === kind).length);
      console.log(`| ${call} | ${counts.map((count) => count || "").join(" | ")} |`);
    }
  }
}
