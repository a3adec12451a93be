/** A guest in somebody's app: what it prints, what it keeps alive, what it leaves open. */
import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { withFile } from "../../src/fs/file-source.ts";
import { compileApp } from "../../src/release/compile.ts";
import { signExecutable } from "../../src/release/sign.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { REHEARSAL_VARIABLE, rehearsalAnswer } from "../../src/update/rehearsal-answer.ts";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { copyBlank, TINY_APP } from "../helpers/executable.ts";
import { codeOf } from "../helpers/installed.ts";

const TIMEOUT_MS = 40_000;
const RUN_TIMEOUT_MS = 20_000;
const { world } = setUpE2e();

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Runs a program that is expected to end by itself. */
async function outcome(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const child = Bun.spawn([...argv], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "", ...env },
    timeout: RUN_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

describe("an app that cannot update itself runs as if nothing was there", () => {
  test(
    "unsigned: one line on stderr, or none",
    async () => {
      const path = await copyBlank(world.folder(), "app", TINY_APP);
      expect(await outcome([path, "a"])).toEqual({
        stdout: "tiny a\n",
        stderr: "rustpatcher: this program does not update itself: it is not a signed executable\n",
        exitCode: 0,
      });
      const silent = await outcome([path, "a"], { RUSTPATCHER_LOG: "silent" });
      expect(silent).toEqual({ stdout: "tiny a\n", stderr: "", exitCode: 0 });
    },
    TIMEOUT_MS,
  );

  test(
    "as bytecode: the script that says so is found all the same",
    async () => {
      const folder = world.folder();
      const [entry, outfile] = [join(folder, "app.ts"), join(folder, "app")];
      writeFileSync(entry, TINY_APP);
      await compileApp({ entry, outfile, target: undefined, minify: true, bytecode: true });
      expect(await outcome([outfile, "c"])).toEqual({
        stdout: "tiny c\n",
        stderr: "rustpatcher: this program does not update itself: it is not a signed executable\n",
        exitCode: 0,
      });
    },
    TIMEOUT_MS,
  );

  test(
    "switched off: it says so, starts no thread and opens no socket",
    async () => {
      const path = await world.release({ version: "1.0.0" });
      const app = await world.run(path, { env: { RUSTPATCHER_DISABLE: "1" } });
      app.send("spawn");
      expect(await app.event("answer")).toMatchObject({ value: { same: true, active: false } });
      app.send("check");
      expect(await app.event("answer", 2)).toMatchObject({ value: null });
      expect(app.log).toEqual(["rustpatcher: updates are switched off by RUSTPATCHER_DISABLE=1"]);
      expect(hasThread(app.pid)).toBe(false);
      expect(openSockets(app.pid)).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "altered after signing: it says so",
    async () => {
      const path = await world.release({ version: "1.0.0" });
      const bytes = await Bun.file(path).bytes();
      // The app's own line stands near the end of the file, unpacked.
      const at = Buffer.from(bytes).lastIndexOf('build: "one"');
      expect(at).toBeGreaterThan(0);
      bytes[at + 8] = 0x4f;
      writeFileSync(path, bytes);
      expect(codeOf(() => withFile(path, (source) => verifyExecutable(source)))).toBe(
        "HASH_MISMATCH",
      );
      const app = await world.run(path, { env: { RUSTPATCHER_LOG: "warn" } });
      await app.until(() => app.log.length > 0, "a warning");
      expect(app.log).toEqual([
        "rustpatcher: this program does not update itself: the executable was changed after it was signed",
      ]);
      app.send("self");
      expect(await app.event("answer")).toMatchObject({ code: "UNVERIFIED" });
      expect(openSockets(app.pid)).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "with a bootstrap list that cannot be read: never the public network instead",
    async () => {
      const path = await world.release({ version: "1.0.0" });
      const app = await world.run(path, { env: { RUSTPATCHER_BOOTSTRAP: "127.0.0.1" } });
      await app.until(() => app.log.length > 0, "a warning");
      expect(app.log[0]).toContain('"127.0.0.1" is not a bootstrap address');
      app.send("check");
      expect(await app.event("answer")).toMatchObject({ code: "INACTIVE" });
      expect(openSockets(app.pid)).toBe(0);
    },
    TIMEOUT_MS,
  );
});

/** UDP sockets of a process: those of its descriptors that the kernel lists as such. */
function openSockets(pid: number): number {
  const tables = ["udp", "udp6"].map((name) => readFileSync(`/proc/net/${name}`, "utf8"));
  const listed = new Set(
    tables
      .join("\n")
      .split("\n")
      .map((line) => line.trim().split(/\s+/)[9]),
  );
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).filter((fd) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(join(directory, fd)))?.[1];
      return inode !== undefined && listed.has(inode);
    } catch {
      // Closed since the directory was read.
      return false;
    }
  }).length;
}

/** Is the Worker's thread there? The engine's own helper threads come and go as it likes. */
function hasThread(pid: number): boolean {
  const directory = `/proc/${pid}/task`;
  return readdirSync(directory).some((task) => {
    try {
      return readFileSync(join(directory, task, "comm"), "utf8").trim() === "rustpatcher";
    } catch {
      // It ended since the directory was read.
      return false;
    }
  });
}

test(
  "in a rehearsal says what it is, and runs no code of the app",
  async () => {
    const sources = [
      TINY_APP,
      'import { spawn } from "rustpatcher"; await spawn(); console.log("app");',
    ];
    for (const [index, source] of sources.entries()) {
      const path = await copyBlank(world.folder(), "app", source);
      signExecutable(path, {
        seed: world.seed,
        settings: { app: "tiny", version: "1.0.0" },
        publishedS: 1_780_000_000 + index,
      });
      const { region } = withFile(path, (bytes) => verifyExecutable(bytes));
      expect(await outcome([path], { [REHEARSAL_VARIABLE]: "abc" })).toEqual({
        stdout: `${rehearsalAnswer("abc", region)}\n`,
        stderr: "",
        exitCode: 0,
      });
    }
  },
  TIMEOUT_MS,
);

/** proc_pid_status(5): what is blocked, ignored and caught. */
function signalsOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/status`, "latin1")
    .split("\n")
    .filter((line) => /^Sig(Blk|Ign|Cgt):/.test(line));
}

describe("a signed app", () => {
  test(
    "has the signal handlers it would have without us, and ends by the signals it would end by",
    async () => {
      const source = `process.stdout.write('{"name":"start"}\\n'); setInterval(() => undefined, 60_000);`;
      const without = await world.run(await copyBlank(world.folder(), "app", source));
      const path = await world.release({
        version: "1.0.1",
        source: `import "rustpatcher/auto";\n${source}`,
      });
      const guest = await world.run(path);
      await guest.until(() => openSockets(guest.pid) > 0, "the updater to be at work");
      expect(signalsOf(guest.pid)).toEqual(signalsOf(without.pid));
      for (const app of [without, guest]) {
        process.kill(app.pid, "SIGTERM");
        expect(await app.exited).toBe(143);
      }
      expect(guest.all("stray")).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "ends when it has nothing left to do, with its own output and exit code",
    async () => {
      const path = await copyBlank(world.folder(), "app", TINY_APP);
      signExecutable(path, {
        seed: world.seed,
        settings: { app: "tiny", version: "1.0.0" },
        publishedS: 1_780_000_000,
      });
      const bootstrap = world.net.bootstrap.map(({ port }) => `127.0.0.1:${port}`).join(",");
      const env = { RUSTPATCHER_BOOTSTRAP: bootstrap, RUSTPATCHER_LOG: "debug" };
      expect(await outcome([path, "b"], env)).toEqual({
        stdout: "tiny b\n",
        stderr: "",
        exitCode: 0,
      });
    },
    TIMEOUT_MS,
  );

  test(
    "has one updater, whoever starts it, and none after stop",
    async () => {
      const path = await world.release({ version: "1.0.0" });
      const app = await world.run(path);
      await app.event("checking");
      app.send("spawn");
      expect(await app.event("answer")).toMatchObject({ value: { same: true, active: true } });
      const running = app.log.filter((line) => line.includes("running 1.0.0"));
      expect(running).toHaveLength(1);
      expect(openSockets(app.pid)).toBeGreaterThan(0);
      expect(hasThread(app.pid)).toBe(true);
      app.send("stop");
      expect(await app.event("answer", 2)).toMatchObject({ question: "stop", value: null });
      await app.until(() => openSockets(app.pid) === 0, "the sockets to be closed");
      await app.until(() => !hasThread(app.pid), "the thread to end");
      app.send("check");
      expect(await app.event("answer", 3)).toMatchObject({ code: "STOPPED" });
      expect(app.all("stray")).toEqual([]);
      app.send("exit");
      expect(await app.exited).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "has one updater when the app takes it before it has started, and none when it is stopped by then",
    async () => {
      const source = `import "rustpatcher/auto";
        import { spawn } from "rustpatcher";
        const [patcher, again] = await Promise.all([spawn(), spawn({ mode: "manual" })]);
        const before = patcher.active && again === patcher;
        if (process.argv[2] === "stop") await patcher.stop();
        else await patcher.status();
        console.log(before);
        setTimeout(() => process.exit(0), 300);`;
      const path = await world.release({ version: "1.0.0", source });
      const bootstrap = world.net.bootstrap.map(({ port }) => `127.0.0.1:${port}`).join(",");
      const env = { RUSTPATCHER_BOOTSTRAP: bootstrap, RUSTPATCHER_LOG: "info" };
      const warning =
        "rustpatcher: the updater runs already, with the options it was started with first\n";
      const stopped = await outcome([path, "stop"], env);
      expect(stopped).toEqual({ stdout: "true\n", stderr: warning, exitCode: 0 });
      const { stdout, stderr } = await outcome([path], env);
      expect(stdout).toBe("true\n");
      expect(stderr.split("running 1.0.0")).toHaveLength(2);
      expect(stderr).toContain(warning);
    },
    TIMEOUT_MS,
  );

  test(
    "knows how its updates are going, where nothing can be written down as well",
    async () => {
      const path = await world.release({ version: "1.0.0" });
      const newer = await world.release({ version: "1.0.1", build: "two" });
      const app = await world.run(path);
      await app.event("checking", 2);
      app.send("status");
      const { value } = await app.event("answer");
      expect(value).toMatchObject({
        version: "1.0.0",
        mode: "now",
        result: { code: "UP_TO_DATE", message: "1.0.0 is the newest release known" },
        isNewestRefused: false,
      });
      const { checkedMs, nextCheckMs } = value as { checkedMs: number; nextCheckMs: number };
      expect(Math.abs(Date.now() - checkedMs)).toBeLessThan(RUN_TIMEOUT_MS);
      expect(nextCheckMs).toBeGreaterThan(checkedMs - 1_000);
      // Its owner has said that nothing is to be changed there: not even a line about that is written.
      const still = await world.release({ version: "1.0.0" });
      chmodSync(dirname(still), 0o555);
      const refusing = await world.run(still);
      await world.run(newer);
      await refusing.event("error");
      await refusing.event("checking", refusing.all("checking").length + 2);
      refusing.send("status");
      const answer = await refusing.event("answer");
      expect(answer["value"]).toMatchObject({
        result: { code: "DIRECTORY_READ_ONLY" },
        newest: { version: "1.0.1" },
      });
      app.send("stop");
    },
    TIMEOUT_MS,
  );

  test(
    "can say what it is, verified",
    async () => {
      const path = await world.release({ version: "1.0.0" });
      const app = await world.run(path, { env: { RUSTPATCHER_DISABLE: "1" } });
      app.send("self");
      const { value } = await app.event("answer");
      const { core } = withFile(path, (source) => verifyExecutable(source));
      expect(value).toEqual({
        version: "1.0.0",
        size: core.sizeBytes,
        hash: core.hash.toHex(),
        signature: core.signature.toHex(),
      });
    },
    TIMEOUT_MS,
  );
});
