/**
 * The whole way, as somebody new goes it, with the README's own commands: from the packed tarball in an empty folder to a
 * first release, a first install on another machine, the next version seen on the page, and that version withdrawn.
 *
 *   bun test/whole-way/main.ts [screenshot.png]
 *
 * Needs Linux, root (network namespaces) and Chromium. Prints how long each step took.
 */
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openBrowser, openPage, DESKTOP } from "../watch/browser.ts";
import { packInto } from "../helpers/tarball.ts";
import { scratchDirectory } from "../helpers/scratch.ts";

const ROOT = join(import.meta.dir, "../..");
const MACHINES = join(ROOT, "test/helpers/machines.sh");
const INSIDE = "RUSTPATCHER_WHOLE_WAY";
const NODE = "99.0.0.1:49737";
const FIRST = "0.1.0";
const SECOND = "0.2.0";
const STEP_TIMEOUT_MS = 120_000;
const LIFETIME_MS = 600_000;

const APP = `console.log("my app, first edition");
setInterval(() => undefined, 60_000);
`;

const cleanups: (() => unknown)[] = [];
const startedMs = performance.now();
let stepMs = startedMs;

function say(text: string): void {
  const nowMs = performance.now();
  console.log(`${((nowMs - stepMs) / 1000).toFixed(1).padStart(6)} s  ${text}`);
  stepMs = nowMs;
}

interface Where {
  readonly directory: string;
  /** Name of the machine; undefined: the first one. */
  readonly machine?: string;
}

function argvOf(line: string, { machine }: Where): string[] {
  const prefix = machine === undefined ? [] : ["ip", "netns", "exec", machine];
  return [...prefix, "bash", "-c", line];
}

const env = {
  ...process.env,
  PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`,
  RUSTPATCHER_BOOTSTRAP: NODE,
  RUSTPATCHER_INTERVAL: "3",
  RUSTPATCHER_LOG: "info",
  NO_COLOR: "1",
};

/** A command line to its end; its stdout. */
async function run(line: string, where: Where): Promise<string> {
  const child = Bun.spawn(argvOf(line, where), {
    cwd: where.directory,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: STEP_TIMEOUT_MS,
  });
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${line}: exit ${code}\n${out}${err}`);
  return out;
}

/** A command line that goes on; ended with all it has started. */
class Running {
  #text = "";
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #line: string;

  constructor(line: string, where: Where) {
    this.#line = line;
    this.#child = Bun.spawn(argvOf(`exec ${line}`, where), {
      cwd: where.directory,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: LIFETIME_MS,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) void this.#read(stream);
    cleanups.push(() => this.stop());
  }

  async says(pattern: RegExp): Promise<string> {
    const untilMs = performance.now() + STEP_TIMEOUT_MS;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match !== null) return match[1] ?? match[0];
      if (performance.now() > untilMs || this.#child.exitCode !== null) {
        throw new Error(`${this.#line} did not say ${String(pattern)}:\n${this.#text}`);
      }
      await Bun.sleep(50);
    }
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 3_000);
    await this.#child.exited;
    clearTimeout(timer);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const piece of stream) this.#text += new TextDecoder().decode(piece);
  }
}

async function way(directory: string, tarball: string, screenshot: string): Promise<void> {
  const here = { directory: join(directory, "my-app") };
  const there = { directory: join(directory, "machine-b"), machine: "machine-b" };
  for (const { directory: path } of [here, there]) mkdirSync(path, { mode: 0o755 });

  await run(`bun add -d ${tarball}`, here);
  say("bun add -d rustpatcher, in an empty folder");
  writeFileSync(join(here.directory, "app.ts"), APP);
  const told = await run("bunx rustpatcher init --yes", here);
  const [, publicKey = ""] = /^Public key: (\S+)$/m.exec(told) ?? [];
  const [build = "", publish = ""] = (told.split("Next:\n")[1] ?? "").trim().split(/\n\s*/);
  say(`bunx rustpatcher init --yes, which says: ${build}; ${publish}`);
  await run(build, here);
  say(`${build}: ${FIRST}`);
  cpSync(join(here.directory, "node_modules"), join(there.directory, "node_modules"), {
    recursive: true,
  });

  await new Running("bunx rustpatcher dht --host 99.0.0.1", here).says(/^99\.0\.0\.1:\d+$/m);
  const publisher = new Running(publish, here);
  await publisher.says(/serving 0\.1\.0/);
  say(`bunx rustpatcher dht; ${publish}`);
  const fetched = await run(`bunx rustpatcher fetch ${publicKey} --app my-app`, there);
  say(`bunx rustpatcher fetch, on another machine: ${fetched.trim().split("\n").at(-1) ?? ""}`);
  const copy = new Running("./my-app", there);
  await copy.says(/first edition[^]*serving/);
  say("./my-app runs there");

  const watching = new Running(
    `bunx rustpatcher watch ${publicKey} --app my-app --web --interval 2`,
    here,
  );
  const url = await watching.says(/(http:\S+)/);
  const browser = await openBrowser();
  cleanups.push(() => browser.close());
  const { page } = await openPage(browser, url, { ...DESKTOP, colorScheme: "light" });
  const shows = (selector: string, text: string): Promise<void> =>
    page.locator(selector, { hasText: text }).waitFor({ timeout: STEP_TIMEOUT_MS });
  await shows("#of", "2 of 2 copies");
  say(`bunx rustpatcher watch --web: two copies of ${FIRST} on the page`);

  const manifest = join(here.directory, "package.json");
  writeFileSync(manifest, readFileSync(manifest, "utf8").replace(FIRST, SECOND));
  const source = join(here.directory, "app.ts");
  writeFileSync(source, readFileSync(source, "utf8").replace("first", "second"));
  await run(build, here);
  say(`the next version: ${build}`);
  await publisher.stop();
  const next = new Running(publish, here);
  await copy.says(/second edition/);
  say(`${publish}: the copy on the other machine is ${SECOND} now`);
  await shows("#newest", SECOND);
  await shows("#of", "2 of 2 copies");
  await page.screenshot({ path: screenshot });
  say(`seen on the page; screenshot ${screenshot}, ${statSync(screenshot).size} bytes`);

  await next.stop();
  const withdrawn = await run(`bunx rustpatcher withdraw ${SECOND}`, here);
  say(`bunx rustpatcher withdraw ${SECOND}: ${withdrawn.trim().split("\n")[0] ?? ""}`);
  await copy.says(/second edition[^]*first edition/);
  say(`the copy on the other machine is ${FIRST} again`);
}

async function inside(directory: string, tarball: string, screenshot: string): Promise<void> {
  try {
    await way(directory, tarball, screenshot);
    console.log(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  in all`);
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  } finally {
    for (const undo of cleanups.reverse()) await undo();
  }
  process.exit();
}

async function outside(screenshot: string): Promise<number> {
  const directory = scratchDirectory("whole-way");
  const tarball = packInto(directory);
  const listing = Bun.spawnSync(["tar", "-tvzf", tarball]).stdout.toString();
  const sizes = listing.split("\n").map((line) => Number(line.trim().split(/\s+/)[2] ?? 0));
  const unpacked = sizes.reduce((sum, size) => sum + (Number.isNaN(size) ? 0 : size), 0);
  say(`packed: ${statSync(tarball).size} bytes, ${unpacked} unpacked`);
  const argv = [process.execPath, import.meta.path, directory, tarball, screenshot];
  const child = Bun.spawn(["unshare", "--mount", "--net", "sh", MACHINES, ...argv], {
    env: { ...process.env, [INSIDE]: "1" },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: LIFETIME_MS,
  });
  return await child.exited;
}

const [, , first, second, third] = process.argv;
if (process.env[INSIDE] !== undefined) await inside(first ?? "", second ?? "", third ?? "");
else
  process.exitCode = await outside(resolve(first ?? join(tmpdir(), "rustpatcher-whole-way.png")));
