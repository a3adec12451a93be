/**
 * How soon is the former version back when a new one cannot live? `bun bench/guest/go-back.ts [rounds]`: a real update
 * to a version that ends at its first line, in one of three ways, under somebody who starts the program again whenever it
 * ends, without a pause. From the restart into the new version to the first line of the old one. Ends with code 1
 * above the bound.
 */
import { E2eReleases, E2eWorld } from "../../test/helpers/e2e-world.ts";
import { scratchDirectory } from "../../test/helpers/scratch.ts";
import { FAILED_STARTS_MAX } from "../../src/update/pending.ts";

const BOUND_S = 10;
const ROUNDS = Number(process.argv[2] ?? 5);
const WAYS = {
  "exits with 1": "process.exit(1);",
  SIGSEGV: 'process.kill(process.pid, "SIGSEGV");',
  SIGILL: 'process.kill(process.pid, "SIGILL");',
} as const;

interface Way {
  readonly seconds: number;
  readonly failedStarts: number;
}

scratchDirectory("go-back");
const releases = new E2eReleases();
const rows: Record<string, unknown>[] = [];
let isAbove = false;
try {
  for (const [way, line] of Object.entries(WAYS)) {
    const rounds: Way[] = [];
    while (rounds.length < ROUNDS) rounds.push(await goBack(line));
    const seconds = rounds.map((round) => round.seconds).toSorted((a, b) => a - b);
    const highest = seconds.at(-1) ?? Number.NaN;
    isAbove ||= !(highest <= BOUND_S);
    rows.push({
      "the new version": way,
      "median, s": round(seconds[Math.floor(seconds.length / 2)] ?? Number.NaN),
      "highest, s": round(highest),
      "failed starts": [...new Set(rounds.map(({ failedStarts }) => failedStarts))].join(", "),
      bound: `${BOUND_S} s, ${FAILED_STARTS_MAX} starts`,
    });
  }
} finally {
  releases.remove();
}
console.table(rows);
process.exit(isAbove ? 1 : 0);

async function goBack(line: string): Promise<Way> {
  const world = await E2eWorld.create(releases);
  try {
    const path = await world.release({ version: "1.0.0" });
    const source = `import "rustpatcher/auto";\n${line}\n`;
    const next = world.holding(await world.release({ version: "1.5.0", source }));
    await world.provider(next.record, next);
    const app = await world.run(path);
    const { now: fromMs } = await app.event("restarting");
    // It has become the new version, in the same process.
    await app.exited;
    for (let failedStarts = 1; ; failedStarts++) {
      const again = await world.run(path).catch(() => undefined);
      if (again === undefined) continue;
      const { now: toMs, version } = await again.event("start");
      if (version !== "1.0.0") throw new Error(`version ${String(version)} has started`);
      return { seconds: (Number(toMs) - Number(fromMs)) / 1000, failedStarts };
    }
  } finally {
    await world.destroy();
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
