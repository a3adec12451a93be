/**
 * Every case of group D against the real compiled program. Lies: one honest peer and one liar, then one honest peer
 * among 20, and all lies at once; the program has to become the new version, and a liar may waste two chunks of its
 * download. Floods: the program serves all the same, at half its rate at least, within its memory. Nobody but liars:
 * nothing happens but a warning, and one honest peer ends it.
 *
 *   bun test/attacks/matrix.ts [part of a case's name]      prints a table; exits 1 when a case fails
 */
import { CHUNK_MAX_BYTES } from "../../src/core/limits.ts";
import { scratchDirectory } from "../helpers/scratch.ts";
import { behaviours } from "./evil.ts";
import { LIARS, Matrix } from "./matrix-world.ts";

const MEMORY_MAX_BYTES = 64 * 1024 * 1024;
const DESCRIPTORS_MAX = 256;
const RATE_SHARE = 0.5;
/** What has not begun by then counts as failed. */
const TOTAL_MS = 25 * 60_000;
const FLOODS: readonly (readonly [name: string, kind: string])[] = [
  ["D10: 64 clients that read chunks without end", "reads"],
  ["D10: 64 clients that are let in and ask for nothing, again and again", "idle"],
  ["D11: 64 clients that promise 16 MiB or nothing, and are silent", "frames"],
];
/** Enough to be alone with: what is wrong, and what never comes. */
const ALONE = ["D9: the valid record, region and table, and bytes of its own", "D3: never answers"];

scratchDirectory("matrix");
const matrix = new Matrix();
const endMs = performance.now() + TOTAL_MS;
let cases = 0;
const failures: string[] = [];

/** One cell of the table. `act` says what was seen, and throws when it is not as it should be. */
async function cell(name: string, act: () => Promise<string>): Promise<string> {
  cases++;
  try {
    if (performance.now() > endMs) throw new Error("no time left");
    return await act();
  } catch (error) {
    failures.push(name);
    return `FAILED (${String(error).split("\n")[0]})`;
  }
}

function seen(seconds: number, ...rest: readonly string[]): string {
  return [`${seconds.toFixed(1)} s`, ...rest].join(", ");
}

const kB = (bytes: number): string => `${(bytes / 1_000).toFixed(1)} kB`;
const MB = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;

async function lies(behaviour: string, liars: number, honestBytes: number): Promise<string> {
  const { seconds, wireBytes, visited } = await matrix.lies(behaviour, liars);
  const wasted = Math.max(0, wireBytes - honestBytes) / liars;
  if (wasted > 2 * CHUNK_MAX_BYTES) throw new Error(`${kB(wasted)} for each liar`);
  return seen(seconds, `${visited} visited`, `${kB(wasted)} wasted for each`);
}

async function flood(kind: string, calm: Awaited<ReturnType<Matrix["flood"]>>): Promise<string> {
  const { seconds, bytesPerS, memoryBytes, descriptors, admitted } = await matrix.flood(kind);
  const grown = memoryBytes - calm.memoryBytes;
  const share = bytesPerS / calm.bytesPerS;
  if (admitted === 0) throw new Error("nobody was let in");
  if (share < RATE_SHARE) throw new Error(`${(100 * share).toFixed(0)} % of its rate`);
  if (grown > MEMORY_MAX_BYTES) throw new Error(`${MB(grown)} more memory`);
  if (descriptors > DESCRIPTORS_MAX) throw new Error(`${descriptors} descriptors`);
  const growth = MB(Math.max(0, grown));
  return seen(
    seconds,
    `${(100 * share).toFixed(0)} % of its rate, ${growth} more memory, ${descriptors} descriptors, ${admitted} let in`,
  );
}

async function main(): Promise<number> {
  const part = process.argv[2] ?? "";
  const isWanted = (name: string): boolean => name.includes(part);
  const startMs = performance.now();
  try {
    await matrix.prepare();
    const names = behaviours();
    const control = await matrix.lies("", 0);
    console.log(`no liar: ${control.seconds.toFixed(1)} s, ${control.wireBytes} bytes`);
    for (const name of names.filter(isWanted)) {
      const one = await cell(name, () => lies(name, 1, control.wireBytes));
      const many = await cell(name, () => lies(name, LIARS, control.wireBytes));
      console.log(`| ${name} | ${one} | ${many} |`);
    }
    if (isWanted("all")) {
      const all = await cell("all", () => lies("all", names.length, control.wireBytes));
      console.log(`| all lies at once | | ${all} |`);
    }
    const floods = FLOODS.filter(([name]) => isWanted(name));
    if (floods.length > 0) {
      const calm = await matrix.flood("");
      console.log(
        `no flood: ${calm.seconds.toFixed(1)} s, ${MB(calm.bytesPerS)} a second, ${MB(calm.memoryBytes)} of memory`,
      );
      for (const [name, kind] of floods) {
        console.log(`| ${name} | ${await cell(name, () => flood(kind, calm))} |`);
      }
    }
    for (const lie of ALONE.filter((name) => isWanted(`D13 ${name}`))) {
      const name = names.find((one) => one.startsWith(lie)) ?? lie;
      const found = await cell(name, async () => {
        const { seconds, visited, memoryBytes, code } = await matrix.alone(name, LIARS);
        return seen(seconds, `${visited} visited, ${code} told, ${MB(memoryBytes)} of memory`);
      });
      console.log(`| D13: nobody but ${LIARS} of ${name}; then one honest peer | ${found} |`);
    }
  } finally {
    matrix.remove();
  }
  const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
  console.log(
    `${cases - failures.length} of ${cases} cases passed in ${minutes} minutes${failures.map((name) => `\nfailed: ${name}`).join("")}`,
  );
  return failures.length === 0 ? 0 : 1;
}

process.exit(await main());
