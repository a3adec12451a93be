/**
 * What an update takes on the wire, beside what bsdiff, xdelta3 and zstd make of the same two files, and a
 * full download. Linux x64, root for apt-get when a tool is missing; half an hour, most of it bsdiff and
 * zstd.
 *
 *   bun bench/content/main.ts [--ours]          without the other tools: two minutes
 */
import { statSync } from "node:fs";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { Workshop, type Executable, type Variant } from "./cases.ts";
import { planCpuSeconds } from "./plan-cost.ts";
import { difference, installTools, TOOLS } from "./tools.ts";
import { transfer, type TransferResult } from "./transfer.ts";
import { scratchDirectory } from "../../test/helpers/scratch.ts";

const isAlone = process.argv.includes("--ours");
const KB = 1000;
const PLAN_BOUND_S = 0.5;
const FIRST_INSTALL_BOUND = 0.5;
const TEN_VERSIONS = 10;

const directory = scratchDirectory("bench");
const seed = generateSeed();
const owner = publicKeyOf(seed);
const workshop = new Workshop(directory, seed);
const rows: string[][] = [];

const text = (bytes: number): string =>
  bytes < 1000 * KB ? `${(bytes / KB).toFixed(1)} kB` : `${(bytes / KB / KB).toFixed(2)} MB`;
const verdict = (value: number, bound: number): string => (value <= bound ? "ok" : "missed");

async function measure(
  name: string,
  boundBytes: number,
  old: Executable,
  next: Executable,
): Promise<void> {
  const kept = await transfer({ owner, next: next.path, old: old.path, predecessor: old.path });
  const alone = await transfer({ owner, next: next.path, old: old.path, predecessor: undefined });
  const others = TOOLS.map((tool) => {
    if (isAlone) return "";
    const { sizeBytes, seconds } = difference(tool, old.path, next.path, directory);
    return `${text(sizeBytes)} (${seconds.toFixed(0)} s) x${(kept.wireBytes / sizeBytes).toFixed(2)}`;
  });
  add(name, text(boundBytes), verdict(kept.wireBytes, boundBytes), kept, alone, others, next);
}

function add(
  name: string,
  bound: string,
  result: string,
  kept: TransferResult | undefined,
  alone: TransferResult,
  others: readonly string[],
  next: Executable,
): void {
  const best = kept ?? alone;
  rows.push([
    name,
    bound,
    result,
    kept === undefined ? "" : text(kept.wireBytes),
    text(alone.wireBytes),
    ...others,
    text(statSync(next.path).size),
    `${best.seconds.toFixed(1)} s, ${best.cpuSeconds.toFixed(1)} CPU s, ${(best.memoryBytes / 2 ** 20).toFixed(0)} MiB`,
  ]);
  process.stderr.write(`${name}: ${rows.at(-1)?.slice(3, 5).join(", ")}\n`);
}

if (!isAlone) installTools();
const make = (variant: Variant): Executable => workshop.make(variant);
const olderBun = make({ changedLines: 0, bun: "older" });
const versions = Array.from({ length: TEN_VERSIONS + 1 }, (_, i) => make({ changedLines: i }));
const [first, second] = versions;
const [last, beforeLast] = [versions.at(-1), versions.at(-2)];
if (first === undefined || second === undefined) throw new Error("no versions");
if (last === undefined || beforeLast === undefined) throw new Error("no versions");

await measure("one-line change", 16 * KB, first, second);
const bytecode = { bytecode: true };
await measure(
  "one-line change, --bytecode",
  400 * KB,
  make({ changedLines: 0, ...bytecode }),
  make({ changedLines: 1, ...bytecode }),
);
await measure(
  "100 kB asset of 20 MB replaced",
  126 * KB,
  make({ changedLines: 0, asset: 1 }),
  make({ changedLines: 0, asset: 2 }),
);
await measure("Bun 1.4.4 → 1.4.5", 15_000 * KB, olderBun, first);

const empty = TOOLS.map(() => "");
const install = await transfer({
  owner,
  next: last.path,
  old: undefined,
  predecessor: undefined,
});
const halfBytes = FIRST_INSTALL_BOUND * statSync(last.path).size;
add(
  "first install",
  text(halfBytes),
  verdict(install.wireBytes, halfBytes),
  undefined,
  install,
  empty,
  last,
);
// Nobody has what the getter runs as a file any more: a provider that has gone through all versions has
// kept the differences.
const direct = await transfer({
  owner,
  next: last.path,
  old: first.path,
  predecessor: first.path,
});
const behind = await transfer({
  owner,
  next: last.path,
  old: first.path,
  predecessor: beforeLast.path,
  older: versions
    .slice(0, -2)
    .reverse()
    .map(({ path }) => path),
});
const behindAlone = await transfer({
  owner,
  next: last.path,
  old: first.path,
  predecessor: beforeLast.path,
});
add(
  "ten versions behind",
  `2 x ${text(direct.wireBytes)}`,
  verdict(behind.wireBytes, 2 * direct.wireBytes),
  behind,
  behindAlone,
  empty,
  last,
);
const heads = ["case", "bound", "", "ours, predecessor kept", "ours, not kept"];
const costs = "both ends: time, CPU, memory";
const header = [...heads, ...TOOLS, "full", costs];
for (const row of [header, header.map(() => "---"), ...rows]) {
  process.stdout.write(`| ${row.join(" | ")} |\n`);
}
const plan = planCpuSeconds(first.path, second.path);
process.stdout.write(
  `\nplan of the installed executable: ${plan.toFixed(2)} CPU s (bound ${PLAN_BOUND_S}: ${verdict(plan, PLAN_BOUND_S)})\n`,
);
