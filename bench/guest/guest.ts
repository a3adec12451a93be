/**
 * What the updater costs an app: the same app compiled with and without `import "rustpatcher/auto"`, side by side
 * on this machine, in a network of its own. `bun bench/guest/guest.ts`; five minutes. Ends with code 1 when a
 * bound is not kept. Needs /proc.
 *
 * What is resident depends on how the file came into the page cache, so both are put on the disk and out of it
 * the same way first.
 */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import { compileApp } from "../../src/release/compile.ts";
import { signExecutable } from "../../src/release/sign.ts";
import { createLoopbackDht } from "../../test/helpers/dht.ts";
import { countDatagrams, median, round, straced, usageOf, type Usage } from "./usage.ts";
import { scratchDirectory } from "../../test/helpers/scratch.ts";

const STARTS = 200;
const IDLE_MS = 120_000;
const SAMPLE_MS = 5_000;
/** In its first minute a program is compiled, collected and announced. */
const SETTLE_MS = 60_000;
const MINUTE_MS = 60_000;

const APP = `if (process.argv[2] === "stay") setInterval(() => undefined, 60_000);\n`;

interface Row {
  readonly what: string;
  readonly without: number;
  readonly withUs: number;
  /** Undefined: told, but what it is a part of has the bound. */
  readonly bound: number | undefined;
  readonly unit: string;
}

const directory = scratchDirectory("guest");
const net = await createLoopbackDht(3);
const env = {
  PATH: "/bin",
  RUSTPATCHER_LOG: "silent",
  RUSTPATCHER_BOOTSTRAP: net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(","),
};
try {
  const bare = await compile("bare", APP);
  const guest = await compile("guest", `import "rustpatcher/auto";\n${APP}`);
  signExecutable(guest, {
    seed: generateSeed(),
    settings: { app: "guest", version: "1.0.0" },
    publishedS: Math.floor(Date.now() / 1000),
  });
  for (const path of [bare, guest]) sync(path);
  const rows = [...starts(bare, guest), ...(await idle(bare, guest)), ...(await datagrams(guest))];
  console.table(
    rows.map(({ what, without, withUs, bound, unit }) => ({
      measure: unit === "" ? what : `${what}, ${unit}`,
      without: round(without),
      with: round(withUs),
      added: round(withUs - without),
      bound: bound ?? "",
    })),
  );
  if (rows.some(({ without, withUs, bound = Infinity }) => withUs - without > bound)) {
    process.exitCode = 1;
  }
} finally {
  await net.destroy();
}

async function compile(name: string, source: string): Promise<string> {
  const entry = join(directory, `${name}.ts`);
  const outfile = join(directory, name);
  await Bun.write(entry, source);
  await compileApp({ entry, outfile, target: undefined, minify: false, bytecode: false });
  return outfile;
}

function sync(path: string): void {
  const fd = openSync(path, "r+");
  fsyncSync(fd);
  closeSync(fd);
  // coreutils: drops the file from the page cache.
  Bun.spawnSync(["dd", `of=${path}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
}

function starts(bare: string, guest: string): Row[] {
  const times: Record<string, number[]> = { [bare]: [], [guest]: [] };
  for (let nth = 0; nth < STARTS; nth++) {
    // By turns, so that whatever else the machine does meets both.
    for (const path of [bare, guest]) {
      const startMs = performance.now();
      Bun.spawnSync([path], { env, stdio: ["ignore", "ignore", "ignore"] });
      times[path]?.push(performance.now() - startMs);
    }
  }
  const [without = Number.NaN, withUs = Number.NaN] = [bare, guest].map((path) =>
    median(times[path] ?? []),
  );
  return [row(`start to end, median of ${STARTS}`, without, withUs, 2, "ms")];
}

async function idle(bare: string, guest: string): Promise<Row[]> {
  const children = [bare, guest].map((path) =>
    Bun.spawn([path, "stay"], { env, stdio: ["ignore", "ignore", "ignore"] }),
  );
  try {
    await Bun.sleep(SETTLE_MS);
    const settled = children.map(({ pid }) => usageOf(pid));
    const samples = [settled];
    for (let ms = SETTLE_MS; ms < IDLE_MS; ms += SAMPLE_MS) {
      await Bun.sleep(SAMPLE_MS);
      samples.push(children.map(({ pid }) => usageOf(pid)));
    }
    const [a, b] = samples.at(-1) ?? [];
    if (a === undefined || b === undefined) throw new Error("a child ended");
    // The updater gives memory back now and then: one reading would say more about the moment.
    const of = (index: number, field: keyof Usage): number[] =>
      samples.map((sample) => sample[index]?.[field] ?? Number.NaN);
    const percent = (now: Usage, then: Usage | undefined): number =>
      ((now.cpuS - (then?.cpuS ?? 0)) / ((IDLE_MS - SETTLE_MS) / 1000)) * 100;
    const resident = [of(0, "residentMb"), of(1, "residentMb")] as const;
    const anonymous = [of(0, "anonymousMb"), of(1, "anonymousMb")] as const;
    return [
      row("resident, median", median(resident[0]), median(resident[1]), 25, "MB"),
      row("resident, highest", Math.max(...resident[0]), Math.max(...resident[1]), undefined, "MB"),
      row("of it anonymous, median", median(anonymous[0]), median(anonymous[1]), 25, "MB"),
      // Over ten minutes in a swarm: swarm.ts.
      row("CPU in this minute", percent(a, settled[0]), percent(b, settled[1]), 0.5, "% of a core"),
    ];
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map((child) => child.exited));
  }
}

/** Sent and received in a minute, while nothing happens. Needs strace; without it there is no such row. */
async function datagrams(guest: string): Promise<Row[]> {
  if (Bun.which("strace") === null) return [];
  const trace = join(directory, "trace");
  const child = Bun.spawn([...straced(trace), guest, "stay"], {
    env,
    stdio: ["ignore", "ignore", "ignore"],
  });
  try {
    await Bun.sleep(SETTLE_MS);
    const before = countDatagrams(trace);
    await Bun.sleep(MINUTE_MS);
    const count = countDatagrams(trace) - before;
    return [row("datagrams a minute while idle, in and out", 0, count, 200, "")];
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

function row(
  what: string,
  without: number,
  withUs: number,
  bound: number | undefined,
  unit: string,
): Row {
  return { what, without, withUs, bound, unit };
}
