/**
 * Does it stay as it is? `bun bench/guest/soak.ts [starts] [minutes]`: 1,000 starts of a signed app that ends at any
 * moment of its updater's start, then an hour of an HTTP server under load that looks for a release every second
 * while other copies come and go and packets are lost. Ends with code 1 when anything failed or grew. Needs /proc;
 * root and nftables for the loss.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import { compileApp } from "../../src/release/compile.ts";
import { signExecutable } from "../../src/release/sign.ts";
import { createLoopbackDht } from "../../test/helpers/dht.ts";
import { enterLossyNetwork } from "./lossy.ts";
import { scratchDirectory } from "../../test/helpers/scratch.ts";

const STARTS = Number(process.argv[2] ?? 1_000);
/** Side by side. */
const LANES = 2;
const MINUTES = Number(process.argv[3] ?? 60);
/** Ends before, during and after the start of the Worker and its first look. */
const LIFE_MAX_MS = 400;
const REQUEST_EVERY_MS = 20;
const CHURN_EVERY_MS = 5_000;
const SAMPLE_EVERY_MS = 10_000;
/** The first minute is not the level to hold. */
const SETTLE_MS = 60_000;
const GROWTH_MAX_MB = 10;
const DESCRIPTORS_GROWTH_MAX = 8;
const KIB_PER_MB = 1000 / 1.024;
const LOSS_PERCENT = 5;

const APP = `import "rustpatcher/auto";
const [, , what, ms] = process.argv;
if (what === "end") setTimeout(() => process.exit(0), Number(ms));
if (what === "serve") {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("ok") });
  console.log(server.port);
}
`;

console.log(enterLossyNetwork(LOSS_PERCENT));
const directory = scratchDirectory("soak");
const net = await createLoopbackDht(3);
const env = {
  PATH: "/bin",
  RUSTPATCHER_INTERVAL: "1",
  RUSTPATCHER_LOG: "warn",
  RUSTPATCHER_BOOTSTRAP: net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(","),
};
let problems = 0;
const problem = (text: string): void => {
  problems++;
  console.log(`PROBLEM: ${text}`);
};
try {
  const entry = join(directory, "app.ts");
  const path = join(directory, "app");
  mkdirSync(directory, { recursive: true });
  await Bun.write(entry, APP);
  await compileApp({ entry, outfile: path, target: undefined, minify: false, bytecode: false });
  signExecutable(path, {
    seed: generateSeed(),
    settings: { app: "soak", version: "1.0.0" },
    publishedS: Math.floor(Date.now() / 1000),
  });
  await starts(path);
  await underLoad(path);
  const names = readdirSync(directory).filter((name) => name.includes("tmp"));
  if (names.length > 0) problem(`left over: ${names.join(", ")}`);
} finally {
  await net.destroy();
}
console.log(problems === 0 ? "ok" : `${problems} problems`);
process.exit(problems === 0 ? 0 : 1);

async function starts(path: string): Promise<void> {
  const startedMs = performance.now();
  let done = 0;
  const one = async (): Promise<void> => {
    const lifeMs = Math.random() * LIFE_MAX_MS;
    const child = Bun.spawn([path, "end", String(lifeMs)], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: LIFE_MAX_MS + 20_000,
      killSignal: "SIGKILL",
    });
    const texts = [new Response(child.stdout).text(), new Response(child.stderr).text()];
    const exitCode = await child.exited;
    const output = (await Promise.all(texts)).join("");
    if (exitCode !== 0 || output !== "") {
      problem(`a start of ${lifeMs} ms ended with ${child.signalCode ?? exitCode}: ${output}`);
    }
    done++;
  };
  const lanes = Array.from({ length: LANES }, async () => {
    for (let nth = 0; nth < STARTS / LANES; nth++) await one();
  });
  await Promise.all(lanes);
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  console.log(`${done} starts, ${problems} problems, ${seconds} s`);
}

interface Sample {
  readonly residentMb: number;
  readonly descriptors: number;
  readonly threads: number;
}

function sample(pid: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const of = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    residentMb: of("VmRSS") / KIB_PER_MB,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: of("Threads"),
  };
}

async function underLoad(path: string): Promise<void> {
  const server = Bun.spawn([path, "serve"], { env, stdio: ["ignore", "pipe", "pipe"] });
  const log = new Response(server.stderr).text();
  const lines = server.stdout.getReader();
  const port = Number(new TextDecoder().decode((await lines.read()).value).trim());
  const endMs = performance.now() + MINUTES * 60_000;
  const isOver = (): boolean => performance.now() > endMs || server.exitCode !== null;
  let requests = 0;
  const samples: Sample[] = [];
  const load = async (): Promise<void> => {
    for (; !isOver(); await Bun.sleep(REQUEST_EVERY_MS)) {
      requests++;
      const text = await fetch(`http://127.0.0.1:${port}/`).then(
        (response) => response.text(),
        (cause: unknown) => String(cause),
      );
      if (text !== "ok") problem(`a request was answered with ${text}`);
    }
  };
  const churn = async (): Promise<void> => {
    while (!isOver()) {
      const other = Bun.spawn([path, "serve"], { env, stdio: ["ignore", "ignore", "ignore"] });
      await Bun.sleep(CHURN_EVERY_MS * (0.5 + Math.random()));
      // As a machine that is switched off, every other time.
      other.kill(Math.random() < 0.5 ? "SIGKILL" : "SIGTERM");
      await other.exited;
    }
  };
  const watch = async (): Promise<void> => {
    await Bun.sleep(Math.min(SETTLE_MS, MINUTES * 15_000));
    for (; !isOver(); await Bun.sleep(SAMPLE_EVERY_MS)) samples.push(sample(server.pid));
  };
  await Promise.all([load(), churn(), watch()]);
  if (server.exitCode !== null) problem(`the server ended with ${server.exitCode}`);
  server.kill("SIGKILL");
  await server.exited;
  const said = await log;
  if (said !== "") problem(`it said: ${said}`);
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const of = (part: readonly Sample[], field: keyof Sample): number =>
    median(part.map((one) => one[field]));
  const [first, last] = [samples.slice(0, quarter), samples.slice(-quarter)];
  const row = (what: string, field: keyof Sample, bound: number) => {
    const growth = of(last, field) - of(first, field);
    if (growth > bound) problem(`${what} grew by ${growth}`);
    return {
      measure: what,
      "first quarter": round(of(first, field)),
      "last quarter": round(of(last, field)),
      bound: `+${bound}`,
    };
  };
  console.log(`${MINUTES} minutes, ${requests} requests`);
  console.table([
    row("resident, MB", "residentMb", GROWTH_MAX_MB),
    row("descriptors", "descriptors", DESCRIPTORS_GROWTH_MAX),
    row("threads", "threads", DESCRIPTORS_GROWTH_MAX),
  ]);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
