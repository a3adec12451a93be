/** The background mode: programs that run for a moment, their helper, and what it must never do. */
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { HELPER_VARIABLE } from "../../src/patcher/background.ts";
import { pathBeside } from "../../src/fs/own-files.ts";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { digestOf } from "../helpers/installed.ts";
import { until } from "../helpers/swarm-world.ts";

/** A helper has the lowest priority: on a busy machine it may take long. */
const WAIT_MS = 150_000;
const TIMEOUT_MS = 2 * WAIT_MS;
const ROOT = join(import.meta.dir, "../..");
const SOURCE = await Bun.file(join(ROOT, "examples/cli/main.ts")).text();
/** Nobody is served: a helper ends as soon as it has looked. */
const SETTINGS = { mode: "background", upload: "off" };

const { world } = setUpE2e();

const tool = (version: string, settings = SETTINGS, source = SOURCE): Promise<string> =>
  world.release({ version, source, settings });

function environment(): Record<string, string> {
  const bootstrap = world.net.bootstrap.map(({ port }) => `127.0.0.1:${port}`).join(",");
  return { PATH: "/bin:/usr/bin", RUSTPATCHER_BOOTSTRAP: bootstrap, RUSTPATCHER_INTERVAL: "86400" };
}

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  readonly signal: string | number | null;
}

/** Runs it to its end; resolves when nobody holds its standard streams any more. */
async function run(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const child = Bun.spawn([...argv], {
    stdin: new Blob(["one two\nthree\n"]),
    stdout: "pipe",
    stderr: "pipe",
    env: { ...environment(), ...env },
    timeout: WAIT_MS,
    killSignal: "SIGKILL",
  });
  world.onDestroy(() => child.kill("SIGKILL"));
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode, signal: child.signalCode };
}

const COUNTED: Outcome = { stdout: "2 3 14\n", stderr: "", exitCode: 0, signal: null };

/** Helpers of this executable that run now. */
function helpersOf(path: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const image = readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, "");
        return (
          image === path && readFileSync(`/proc/${pid}/environ`, "latin1").includes(HELPER_VARIABLE)
        );
      } catch {
        // It has ended.
        return false;
      }
    });
}

function killHelpersLater(path: string): void {
  world.onDestroy(() => {
    for (const pid of helpersOf(path)) process.kill(pid, "SIGKILL");
  });
}

/** `rustpatcher status --json` */
async function statusOf(path: string): Promise<unknown> {
  const child = Bun.spawn([process.execPath, "src/cli/main.ts", "status", path, "--json"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    timeout: WAIT_MS,
  });
  return JSON.parse(await new Response(child.stdout).text());
}

const stampOf = (path: string): string => pathBeside(path, "stamp");

/** The helper has taken over: it has said when the next one is due, a day from now and not ten minutes. */
const hasLooked = (path: string): boolean =>
  existsSync(stampOf(path)) && statSync(stampOf(path)).mtimeMs > Date.now() + 3_600_000;

async function publish(path: string): Promise<void> {
  const child = Bun.spawn([process.execPath, "src/cli/main.ts", "publish", path], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...environment(), HOME: world.directory },
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  world.onDestroy(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  // Its first line comes when it is reachable; it goes on writing.
  const lines = child.stdout.getReader();
  await lines.read();
  lines.releaseLock();
}

test(
  "a tool that runs for a moment is the new version the next time",
  async () => {
    const path = await tool("1.0.0");
    const next = await tool("1.0.1");
    killHelpersLater(path);
    await publish(next);
    expect(await run([path])).toEqual(COUNTED);
    await until(() => digestOf(path) === digestOf(next), "the update", WAIT_MS);
    expect((await run([path, "--version"])).stdout).toBe("1.0.1\n");
    await until(() => helpersOf(path).length === 0, "the helper's end", WAIT_MS);
    expect(await statusOf(path)).toMatchObject({
      version: "1.0.1",
      mode: "background",
      result: { code: "INSTALLED", message: "1.0.1 is installed" },
      newest: { version: "1.0.1" },
    });
    // Nothing is left but what the architecture names; contacts when it has met somebody.
    const names = readdirSync(join(path, "..")).map((name) =>
      name.replace(/^\.app\.rustpatcher-/, ""),
    );
    expect(names.filter((name) => name !== "contacts").sort()).toEqual([
      "app",
      "helper",
      "lock",
      "pending",
      "previous",
      "stamp",
      "state",
      "status",
    ]);
  },
  TIMEOUT_MS,
);

test(
  "the helper is a process of its own, modest, and alone",
  async () => {
    // It serves for a minute: time to look at it.
    const path = await tool("1.0.0", { mode: "background" } as typeof SETTINGS);
    killHelpersLater(path);
    await Promise.all(Array.from({ length: 12 }, () => run([path])));
    await until(() => hasLooked(path), "the helper's look", WAIT_MS);
    await until(() => helpersOf(path).length === 1, "the others to end", WAIT_MS);
    const [pid = 0] = helpersOf(path);
    // proc_pid_stat(5), after the name: state, ppid, pgrp, session, tty, …, nice is the 17th.
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
    expect({ session: Number(fields[3]), tty: fields[4] }).toEqual({ session: pid, tty: "0" });
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, "latin1");
      const name = /\((.*)\)/s.exec(stat)?.[1] ?? "";
      const nice = stat.replace(/^.*\) /s, "").split(" ")[16];
      if (name === "rustpatcher" || task === String(pid))
        expect([name, nice]).toEqual([name, "19"]);
    }
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
    for (const fd of [0, 1, 2]) expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toBe("/dev/null");
    const env = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").filter(Boolean);
    expect(env.map((entry) => entry.replace(/=.*/s, ""))).toEqual([HELPER_VARIABLE]);
    // It has children now and then (a rehearsal), and never another helper.
    expect(await run([path])).toEqual(COUNTED);
    expect(helpersOf(path)).toEqual([pid]);
  },
  TIMEOUT_MS,
);

test(
  "looks once in an interval, and at once when the clock was set back",
  async () => {
    const path = await tool("1.0.0");
    killHelpersLater(path);
    const look = async (): Promise<void> => {
      await run([path]);
      await until(() => hasLooked(path), "the look", WAIT_MS);
      await until(() => helpersOf(path).length === 0, "the helper's end", WAIT_MS);
    };
    await look();
    const first = statSync(stampOf(path)).mtimeMs;
    for (let nth = 0; nth < 3; nth++) {
      await run([path]);
      expect(helpersOf(path)).toEqual([]);
    }
    expect(statSync(stampOf(path)).mtimeMs).toBe(first);
    const past = Date.now() / 1000 - 1;
    utimesSync(stampOf(path), past, past);
    await look();
    const future = Date.now() / 1000 + 400 * 86_400;
    utimesSync(stampOf(path), future, future);
    await look();
    expect(statSync(stampOf(path)).mtimeMs).toBeLessThan(Date.now() + 2 * 86_400_000);
  },
  TIMEOUT_MS,
);

describe("no helper is started", () => {
  test.each([
    ["in CI", { CI: "true" }],
    ["when updates are switched off", { RUSTPATCHER_DISABLE: "1" }],
  ])(
    "%s",
    async (_when, env) => {
      const path = await tool("1.0.0");
      killHelpersLater(path);
      expect(await run([path], env)).toEqual(COUNTED);
      expect(existsSync(stampOf(path))).toBe(false);
      // Neither here nor in `hasLooked` above by chance: without it, there is one.
      expect(await run([path], { CI: "false" })).toEqual(COUNTED);
      expect(lstatSync(stampOf(path)).size).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "in another mode, by the options of spawn, or after stop",
    async () => {
      const source = `import { spawn } from "rustpatcher";
const patcher = await spawn(process.argv[2] === "stop" ? {} : process.argv[2]);
if (process.argv[2] === "stop") await patcher.stop();
process.exit(0);`;
      const path = await tool("1.0.0", SETTINGS, source);
      killHelpersLater(path);
      for (const how of ["on-restart", "stop"]) {
        expect(await run([path, how])).toMatchObject({ exitCode: 0, stderr: "" });
        expect(existsSync(stampOf(path))).toBe(false);
      }
      expect(await run([path, "background"])).toMatchObject({ exitCode: 0, stderr: "" });
      expect(existsSync(stampOf(path))).toBe(true);
    },
    TIMEOUT_MS,
  );
});

describe("a program ends as it would without us", () => {
  const source = `import "rustpatcher/auto";
const how = process.argv[2];
process.stdout.write("out");
if (how === "exit") process.exit(7);
if (how === "code") process.exitCode = 5;
if (how === "throw") throw new Error("its own");
if (how === "reject") await Promise.reject(new Error("its own"));
if (how === "signal") process.kill(process.pid, "SIGTERM"), await Bun.sleep(10_000);
if (how === "listener") process.on("exit", (code) => process.stdout.write(" code " + code));
`;

  test.each([
    ["exit", { exitCode: 7, stdout: "out", signal: null }, true],
    ["code", { exitCode: 5, stdout: "out", signal: null }, true],
    ["throw", { exitCode: 1, stdout: "out", signal: null }, true],
    ["reject", { exitCode: 1, stdout: "out", signal: null }, true],
    ["signal", { exitCode: 143, stdout: "out", signal: "SIGTERM" }, false],
    ["listener", { exitCode: 0, stdout: "out code 0", signal: null }, true],
  ])(
    "by %s",
    async (how, expected, startsHelper) => {
      const path = await tool("1.0.0", SETTINGS, source);
      killHelpersLater(path);
      const outcome = await run([path, how]);
      expect(outcome).toMatchObject(expected);
      expect(outcome.stderr.includes("its own")).toBe(how === "throw" || how === "reject");
      expect(outcome.stderr).not.toContain("rustpatcher:");
      expect(existsSync(stampOf(path))).toBe(startsHelper);
    },
    TIMEOUT_MS,
  );

  test(
    "without waiting for the helper, whatever descriptors it was given",
    async () => {
      const path = await tool("1.0.0", { mode: "background" } as typeof SETTINGS);
      killHelpersLater(path);
      // Descriptor 3 is a pipe that `cat` reads to its end.
      const shell = `{ "$0" --version 3>&1 >&4 | cat; } 4>&1; echo end`;
      expect(await run(["/bin/sh", "-c", shell, path])).toEqual({
        ...COUNTED,
        stdout: "1.0.0\nend\n",
      });
      await until(() => hasLooked(path), "the helper's look", WAIT_MS);
      expect(helpersOf(path)).toHaveLength(1);
    },
    TIMEOUT_MS,
  );
});
