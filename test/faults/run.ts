/**
 * Faults at every system call of an update's way onto the disk and back, whoever goes it, in one command:
 *
 *   bun test/faults/run.ts [--seed N] [--small N] [--real N] [--at-once N] [--per-call N] [--only TEXT]
 *
 * strace(1) kills the process at a call, or has the call fail. After each fault the executable's path must
 * hold one complete signed version, which starts; the same must come to its end when nothing disturbs it, and a later
 * update must succeed; nothing may be left over, locked or running.
 * `--small` faults for each scenario go into made-up executables of 128 KiB, which cannot be started, `--real`
 * ones into compiled apps of 110 MB, which are; `--only` picks scenarios by a part of their name. Prints tables, and
 * ends with 1 when one was bricked.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { digestOf } from "../helpers/installed.ts";
import { injectAll, type Result } from "./inject.ts";
import { randomFrom } from "./plan.ts";
import { realWorld } from "./real-world.ts";
import type { FaultWorld } from "./scenario.ts";
import { smallWorld } from "./small-world.ts";
import { hasStrace, KINDS } from "./strace.ts";
import { scratchDirectory } from "../helpers/scratch.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    small: { type: "string", default: "260" },
    real: { type: "string", default: "110" },
    "at-once": { type: "string", default: "2" },
    only: { type: "string", default: "" },
    "per-call": { type: "string", default: "24" },
  },
});

if (!hasStrace) throw new Error("strace is not installed");
const directory = scratchDirectory("faults");
const startMs = performance.now();
let bricked = 0;
console.log(`seed ${values.seed}`);
const random = randomFrom(Number(values.seed));
for (const kind of ["small", "real"] as const) {
  const count = Number(values[kind]);
  if (count === 0) continue;
  const folder = join(directory, kind);
  const world = await (kind === "small" ? smallWorld(folder) : realWorld(folder));
  try {
    const results = await injectAll(world, {
      count,
      perCall: Number(values["per-call"]),
      random,
      atOnce: Number(values["at-once"]),
      only: values.only,
      onResult: tell,
    });
    print(kind, results);
    checkUntouched(world);
  } finally {
    await world.end();
  }
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
  const byScenario = Map.groupBy(hits, ({ scenario }) => scenario);
  for (const [scenario, ofIt] of byScenario) {
    table(
      scenario,
      Map.groupBy(ofIt, ({ fault }) => fault.call),
    );
  }
  table(world, byScenario);
}

function table(head: string, rows: ReadonlyMap<string, readonly Result[]>): void {
  console.log(`\n| ${head} | ${KINDS.join(" | ")} |`);
  console.log(`| --- |${" --: |".repeat(KINDS.length)}`);
  for (const [name, results] of rows) {
    const counts = KINDS.map((kind) => results.filter(({ fault }) => fault.kind === kind).length);
    console.log(`| ${name} | ${counts.map((count) => count || "").join(" | ")} |`);
  }
}
