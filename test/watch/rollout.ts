/**
 * A rollout watched in a real browser: many real copies on loopback move from one version to the next while
 * `watch --web` shows them. Takes some minutes and 7 GB of disk for 30 copies, so it is a script of its own:
 *
 *   bun test/watch/rollout.ts [--copies 30] [--screenshot docs/watch.png] [--looks directory]
 */
import { copyFileSync, mkdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { createLoopbackDht } from "../helpers/dht.ts";
import { compileFixture } from "../helpers/executable.ts";
import { scratchDirectory } from "../helpers/scratch.ts";
import { DESKTOP, openBrowser, openPage, PHONE } from "./browser.ts";

const ROOT = join(import.meta.dir, "../..");
const CLI = join(ROOT, "src/cli/main.ts");
const OLD = "1.0.0";
const NEW = "1.1.0";
const STAGGER_MS = 400;
const LIFETIME_MS = 900_000;
const STEP_TIMEOUT_MS = 240_000;
const SCREENSHOT_MAX_BYTES = 200_000;

const { values } = parseArgs({
  options: {
    copies: { type: "string", default: "30" },
    screenshot: { type: "string" },
    looks: { type: "string" },
  },
});
const count = Number(values.copies);
const startedMs = performance.now();
const cleanups: (() => unknown)[] = [];

function say(text: string): void {
  console.log(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${text}`);
}

/** It moves when it is told to: on two cores, thirty at once would take turns at nothing. */
function app(line: string): string {
  return `import { spawn, Version } from "rustpatcher";
import "rustpatcher/auto";
console.log(String(Version.current()), ${JSON.stringify(line)});
const patcher = await spawn();
process.on("SIGUSR2", () => patcher.apply().catch((error) => console.log(error.message)));
setInterval(() => undefined, 60_000);
`;
}

function start(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Bun.Subprocess<"ignore", "pipe", "inherit"> {
  const child = Bun.spawn([...argv], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: LIFETIME_MS,
    killSignal: "SIGKILL",
  });
  cleanups.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  return child;
}

/** The first line that a command prints; what follows is read and thrown away. */
function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const { promise, resolve: found } = Promise.withResolvers<string>();
  const read = async (): Promise<void> => {
    let text = "";
    for await (const piece of stream) {
      if (text.includes("\n")) continue;
      text += new TextDecoder().decode(piece);
      if (text.includes("\n")) found(text);
    }
    found(text);
  };
  void read();
  return promise;
}

/** Waits until the page shows so many copies, and so many of them on the newest version. */
async function shows(
  page: Page,
  isWanted: (onNewest: number, copies: number) => boolean,
): Promise<void> {
  const untilMs = performance.now() + STEP_TIMEOUT_MS;
  let told = "";
  while (performance.now() < untilMs) {
    const text = (await page.textContent("#of")) ?? "";
    const [onNewest = -1, copies = -1] = (text.match(/\d+/g) ?? []).map(Number);
    if (text !== told) say(`the page shows: ${text}`);
    told = text;
    if (isWanted(onNewest, copies)) return;
    await Bun.sleep(200);
  }
  throw new Error("waited too long for the page");
}

class Copy {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly #isMoved = Promise.withResolvers<void>();

  constructor(child: Bun.Subprocess<"ignore", "pipe", "inherit">) {
    this.#child = child;
    void this.#read();
  }

  /** Resolves when it runs the new version. */
  move(): Promise<void> {
    this.#child.kill("SIGUSR2");
    return this.#isMoved.promise;
  }

  async #read(): Promise<void> {
    for await (const piece of this.#child.stdout) {
      const text = new TextDecoder().decode(piece);
      if (text.includes(NEW)) this.#isMoved.resolve();
      else if (!text.startsWith(OLD)) say(text.trim());
    }
    this.#isMoved.reject(new Error("a copy ended"));
  }
}

/** Two at a time, as many as there are cores. */
async function move(copies: readonly Copy[]): Promise<void> {
  const waiting = copies.values();
  const one = async (): Promise<void> => {
    for (const copy of waiting) await copy.move();
  };
  await Promise.all([one(), one()]);
  say(`${copies.length} copies have moved to ${NEW}`);
}

async function main(): Promise<void> {
  const directory = scratchDirectory("rollout");
  const seed = generateSeed();
  const publishedS = Math.floor(Date.now() / 1000) - 3_600;
  const settings = { app: "my-app", mode: "manual" };
  const fixture = { directory, seed, settings };
  const old = await compileFixture({
    ...fixture,
    name: "old",
    version: OLD,
    source: app("one"),
    publishedS,
  });
  const next = await compileFixture({
    ...fixture,
    name: "next",
    version: NEW,
    source: app("two"),
    publishedS: publishedS + 3_540,
  });
  say(`${OLD} and ${NEW} are compiled and signed`);

  const net = await createLoopbackDht(4);
  cleanups.push(() => net.destroy());
  const bootstrap = net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(",");
  const env = { RUSTPATCHER_BOOTSTRAP: bootstrap };

  const watching = start(
    [
      process.execPath,
      CLI,
      "watch",
      keyText(publicKeyOf(seed)),
      "--app",
      "my-app",
      "--web",
      "--interval",
      "3",
    ],
    env,
  );
  const [url] = /http:\S+/.exec(await firstLine(watching.stdout)) ?? [];
  if (url === undefined) throw new Error("watch told no address");
  const browser = await openBrowser();
  cleanups.push(() => browser.close());
  const { page, requests, complaints } = await openPage(browser, url, {
    ...DESKTOP,
    colorScheme: "light",
  });

  const copies: Copy[] = [];
  for (let number = 1; number <= count; number++) {
    const path = join(directory, `copy-${number}`);
    mkdirSync(path, { mode: 0o755 });
    copyFileSync(old, join(path, "my-app"));
    const child = start([join(path, "my-app")], { ...env, RUSTPATCHER_INTERVAL: "30" });
    copies.push(new Copy(child));
    await Bun.sleep(STAGGER_MS);
  }
  say(`${count} copies of ${OLD} are started`);
  await shows(page, (onNewest, copies) => onNewest === count && copies === count);

  start([process.execPath, CLI, "publish", next, "--quiet"], env);
  say(`${NEW} is published`);
  await shows(page, (onNewest) => onNewest === 1);
  const first = Math.ceil(count * 0.6);
  await move(copies.slice(0, first));
  await shows(page, (onNewest, all) => onNewest === first + 1 && all === count + 1);
  if (values.screenshot !== undefined) {
    const path = resolve(values.screenshot);
    await page.screenshot({ path });
    const { size } = statSync(path);
    say(`screenshot ${path}, ${size} bytes`);
    if (size > SCREENSHOT_MAX_BYTES) throw new Error("the screenshot is too large for the package");
  }
  if (values.looks !== undefined) await looks(url, values.looks);
  await move(copies.slice(first));
  // The publisher is one of those who have it.
  await shows(page, (onNewest, copies) => onNewest === count + 1 && copies === count + 1);
  const foreign = requests.filter((request) => !request.startsWith(url));
  if (foreign.length > 0) throw new Error(`the page asked for ${foreign.join(", ")}`);
  if (complaints.length > 0) throw new Error(`the browser complained: ${complaints.join("; ")}`);
  say("every copy has moved; no request went elsewhere, no complaint in the browser");

  async function looks(address: string, folder: string): Promise<void> {
    mkdirSync(folder, { recursive: true });
    for (const [size, frame] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      for (const colorScheme of ["light", "dark"] as const) {
        const look = await openPage(browser, address, { ...frame, colorScheme });
        await look.page.waitForSelector("#peers tr");
        await look.page.screenshot({
          path: join(folder, `${size}-${colorScheme}.png`),
          fullPage: true,
        });
        await look.page.close();
      }
    }
    say(`looks in ${folder}`);
  }
}

try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  for (const undo of cleanups.reverse()) await undo();
}
process.exit();
