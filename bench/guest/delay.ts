/**
 * How late the app's event loop gets while its updater is busy: `bun bench/guest/delay.ts`. A stranger offers it
 * forged records as fast as it can; then a whole update of 109 MB is fetched, checked, assembled and installed, then
 * five others fetch it from this copy alone. A program without an updater runs beside it all the time and shows what
 * the machine does. Ends with code 1 above a bound.
 */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import { compileApp } from "../../src/release/compile.ts";
import { signExecutable } from "../../src/release/sign.ts";
import { createLoopbackDht } from "../../test/helpers/dht.ts";
import { scratchDirectory } from "../../test/helpers/scratch.ts";

const BOUND_MS = 10;
const FORGERIES_BOUND_MS = 5;
const FORGERIES_MS = 20_000;
const FORGER = new URL("../../test/attacks/forger.ts", import.meta.url).pathname;
const GETTERS = 5;
/** Random, so that no byte of it is there already. */
const UPDATE_BYTES = 109_000_000;
const PHASE_MAX_MS = 120_000;
const SERVING_MS = 30_000;

const MEASURE = `let late = [];
let lastMs = performance.now();
const tick = () => {
  const nowMs = performance.now();
  late.push(nowMs - lastMs - 2);
  lastMs = nowMs;
  setTimeout(tick, 2);
};
setTimeout(tick, 2);
for await (const line of console) {
  late.sort((a, b) => a - b);
  const at = (part) => late[Math.floor(late.length * part)] ?? 0;
  console.log(JSON.stringify({ p50: at(0.5), p99: at(0.99), max: late.at(-1) ?? 0 }));
  late = [];
}
`;
const GUEST = `import { spawn } from "rustpatcher";
const patcher = await spawn({ mode: "on-restart" });
patcher.on("applied", () => process.stdout.write("applied\\n"));
${MEASURE}`;

interface Delay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

class App {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: string[] = [];

  constructor(path: string, env: Record<string, string>) {
    this.#child = Bun.spawn([path], { env, stdio: ["pipe", "pipe", "inherit"] });
    void this.#read();
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#lines.push(...text.split("\n").filter((line) => line !== ""));
    }
  }

  async line(pattern: RegExp): Promise<string> {
    const endMs = performance.now() + PHASE_MAX_MS;
    for (;;) {
      const at = this.#lines.findIndex((line) => pattern.test(line));
      if (at >= 0) return this.#lines.splice(at, 1)[0] ?? "";
      if (performance.now() > endMs) throw new Error(`waited too long for ${String(pattern)}`);
      await Bun.sleep(20);
    }
  }

  /** Since the last call. */
  async delay(): Promise<Delay> {
    await this.#child.stdin.write("\n");
    await this.#child.stdin.flush();
    return JSON.parse(await this.line(/^\{/)) as Delay;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

const directory = scratchDirectory("delay");
const net = await createLoopbackDht(3);
const apps: App[] = [];
const env = {
  PATH: "/bin",
  RUSTPATCHER_INTERVAL: "1",
  RUSTPATCHER_LOG: "error",
  RUSTPATCHER_UPLOAD: "unlimited",
  RUSTPATCHER_BOOTSTRAP: net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(","),
};
const seed = generateSeed();

async function compile(name: string, source: string, version?: string): Promise<string> {
  const outfile = join(directory, name);
  const entry = join(directory, `${name}.ts`);
  writeFileSync(entry, source);
  await compileApp({ entry, outfile, target: undefined, minify: false, bytecode: false });
  const publishedS = Math.floor(Date.now() / 1000) - (version === "1.0.0" ? 60 : 0);
  if (version !== undefined) {
    signExecutable(outfile, { seed, settings: { app: "delay", version }, publishedS });
  }
  return outfile;
}

function start(path: string, name: string): App {
  mkdirSync(join(directory, name), { mode: 0o755 });
  const copy = join(directory, name, "app");
  copyFileSync(path, copy);
  const app = new App(copy, env);
  apps.push(app);
  return app;
}

const rows: Record<string, string | number>[] = [];
let isWithin = true;
async function phase(
  what: string,
  guest: App,
  bare: App,
  work: () => Promise<unknown>,
  boundMs: number = BOUND_MS,
): Promise<void> {
  await Promise.all([guest.delay(), bare.delay()]);
  const startMs = performance.now();
  await work();
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  const [ours, without] = await Promise.all([guest.delay(), bare.delay()]);
  const added = ours.p99 - without.p99;
  isWithin &&= added <= boundMs;
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  rows.push({
    phase: `${what}, ${seconds} s`,
    "p99 without, ms": round(without.p99),
    "p99 with, ms": round(ours.p99),
    "added, ms": round(added),
    bound: boundMs,
    "longest without / with": `${round(without.max)} / ${round(ours.max)}`,
  });
}

/** Returns how many were offered. */
async function offerForgeries(release: string): Promise<string> {
  const bootstrap = env.RUSTPATCHER_BOOTSTRAP;
  const argv = [process.execPath, FORGER, "--release", release, "--bootstrap", bootstrap];
  const child = Bun.spawn(argv, {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: FORGERIES_MS,
  });
  const text = await new Response(child.stdout).text();
  return text.trim().split("\n").at(-1) ?? "";
}

try {
  writeFileSync(join(directory, "big.bin"), randomBytes(UPDATE_BYTES));
  const bare = start(await compile("bare", MEASURE), "without");
  const first = await compile("first", GUEST, "1.0.0");
  const big = `import path from "./big.bin" with { type: "file" };\nglobalThis.big = path;\n`;
  const second = await compile("second", big + GUEST, "1.0.1");
  const guest = start(first, "guest");
  await Bun.sleep(5_000);
  await phase("idle", guest, bare, () => Bun.sleep(5_000));
  let offered = "";
  const attack = async (): Promise<void> => void (offered = await offerForgeries(first));
  await phase("forged records", guest, bare, attack, FORGERIES_BOUND_MS);
  console.log(`forged records: ${offered}`);
  const publisher = start(second, "publisher");
  await phase("an update of 109 MB", guest, bare, () => guest.line(/applied/));
  await publisher.kill();
  const getters = Array.from({ length: GETTERS }, (_, nth) => start(first, `getter-${nth}`));
  // Until all have it, or long enough to see: on two cores they take what the copy they are served by needs.
  await phase("five fetch it", guest, bare, () =>
    Promise.race([
      Promise.all(getters.map((getter) => getter.line(/applied/))),
      Bun.sleep(SERVING_MS),
    ]),
  );
  console.table(rows);
} finally {
  await Promise.all(apps.map((app) => app.kill()));
  await net.destroy();
}
process.exit(isWithin ? 0 : 1);
