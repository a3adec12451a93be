/**
 * What a copy costs in a swarm of copies that have nothing to do: `bun bench/guest/swarm.ts [copies] [minutes]
 * [interval]`, by default 50 for 10 minutes with the default interval, in a network of 10 nodes on this machine, once
 * they are calm. A shorter interval, in seconds, is a quicker look at more work. Ends with code 1 when a copy takes
 * more CPU or datagrams than it may. Needs /proc; counts datagrams where there is strace.
 */
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import { compileApp } from "../../src/release/compile.ts";
import { signExecutable } from "../../src/release/sign.ts";
import { createLoopbackDht } from "../../test/helpers/dht.ts";
import { countDatagrams, median, round, straced, usageOf } from "./usage.ts";
import { scratchDirectory } from "../../test/helpers/scratch.ts";

const COPIES = Number(process.argv[2] ?? 50);
const MINUTES = Number(process.argv[3] ?? 10);
const NODES = 10;
/** Starts are spread, as those of copies in the field are. */
const START_EVERY_MS = 500;
const INTERVAL_S = Number(process.argv[4] ?? 60);
/** After five looks at which nothing was new a copy meets fewer others; a look is late by up to a half. */
const SETTLE_MS = INTERVAL_S * 6.5 * 1_000;
const CPU_MAX_PERCENT = 0.5;
const DATAGRAMS_MAX = 200;

const APP = `import "rustpatcher/auto";\nsetInterval(() => undefined, 60_000);\n`;

const directory = scratchDirectory("idle-swarm");
const net = await createLoopbackDht(NODES);
const env = {
  PATH: "/bin",
  RUSTPATCHER_LOG: "silent",
  RUSTPATCHER_INTERVAL: String(INTERVAL_S),
  RUSTPATCHER_BOOTSTRAP: net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(","),
};
const copies: Bun.Subprocess[] = [];
try {
  const entry = join(directory, "app.ts");
  const path = join(directory, "app");
  await Bun.write(entry, APP);
  await compileApp({ entry, outfile: path, target: undefined, minify: false, bytecode: false });
  signExecutable(path, {
    seed: generateSeed(),
    settings: { app: "idle", version: "1.0.0" },
    publishedS: Math.floor(Date.now() / 1000),
  });
  const trace = join(directory, "trace");
  const isTraced = Bun.which("strace") !== null;
  const start = (argv: string[]): Bun.Subprocess => {
    const copy = Bun.spawn(argv, { env, stdio: ["ignore", "ignore", "ignore"] });
    copies.push(copy);
    return copy;
  };
  // One more than those whose CPU is read, which strace would count for.
  if (isTraced) start([...straced(trace), path]);
  const measured: Bun.Subprocess[] = [];
  while (copies.length < COPIES) {
    measured.push(start([path]));
    await Bun.sleep(START_EVERY_MS);
  }
  await Bun.sleep(SETTLE_MS);
  const before = measured.map(({ pid }) => usageOf(pid));
  const datagramsBefore = isTraced ? countDatagrams(trace) : 0;
  const startMs = performance.now();
  await Bun.sleep(MINUTES * 60_000);
  const seconds = (performance.now() - startMs) / 1000;
  const after = measured.map(({ pid }) => usageOf(pid));
  const percents = after.map(
    ({ cpuS }, nth) => ((cpuS - (before[nth]?.cpuS ?? 0)) / seconds) * 100,
  );
  const datagrams = isTraced
    ? (countDatagrams(trace) - datagramsBefore) / (seconds / 60)
    : Number.NaN;
  const cpu = median(percents);
  console.log(
    `${COPIES} copies, ${NODES} nodes, a look every ${INTERVAL_S} s, ${round(seconds)} s`,
  );
  console.table([
    { measure: "CPU of a copy, median, % of a core", value: round(cpu), bound: CPU_MAX_PERCENT },
    {
      measure: "CPU of a copy, highest, % of a core",
      value: round(Math.max(...percents)),
      bound: "",
    },
    {
      measure: "anonymous memory of a copy, median, MB",
      value: round(median(after.map(({ anonymousMb }) => anonymousMb))),
      bound: "",
    },
    {
      measure: "datagrams of a copy a minute, in and out",
      value: round(datagrams),
      bound: DATAGRAMS_MAX,
    },
  ]);
  if (cpu > CPU_MAX_PERCENT || datagrams > DATAGRAMS_MAX) process.exitCode = 1;
} finally {
  for (const copy of copies) copy.kill("SIGKILL");
  await Promise.all(copies.map((copy) => copy.exited));
  await net.destroy();
}
