/** The way of restarting on Windows, with programs of the shell, on the system that the tests run on. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const HELPER = join(import.meta.dir, "../helpers/spawn-restart.ts");
const LIFETIME_MS = 20_000;
let directory = "";
let program = "";
const running: Bun.Subprocess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-restart-"));
  program = join(directory, "app");
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    // The group: a version that was started by another one must not outlive the test.
    process.kill(-child.pid, "SIGKILL");
    await child.exited;
  }
  rmSync(directory, { recursive: true, force: true });
});

function write(script: string): void {
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
}

function start(...args: readonly string[]) {
  const child = Bun.spawn([process.execPath, HELPER, program, ...args], {
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", COLOUR: "green" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    timeout: LIFETIME_MS,
    killSignal: "SIGKILL",
    detached: true,
  });
  running.push(child);
  return child;
}

async function output(child: ReturnType<typeof start>): Promise<[string, number]> {
  const text = await child.stdout.text();
  const code = await child.exited;
  running.splice(running.indexOf(child), 1);
  return [text, code];
}

test("the new version has the arguments, environment, directory and streams, and its exit code counts", async () => {
  write('read line; echo "$0|$1|$2|$COLOUR|$PWD|$line"; exit 7');
  const child = start("a", "b c");
  void child.stdin.write("from outside\n");
  void child.stdin.end();
  const [text, code] = await output(child);
  expect(text).toBe(`${program}|a|b c|green|${directory}|from outside\n`);
  expect(code).toBe(7);
});

test("no code of the old version runs beside the new one, nor after it", async () => {
  write("sleep 0.2; echo new");
  expect(await output(start())).toEqual(["new\n", 0]);
});

test("Ctrl-C reaches both, and only the new version decides what it means", async () => {
  write('trap "echo bye; exit 5" INT; echo ready; while :; do sleep 0.05; done');
  const child = start();
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value);
    if (text === "ready\n") process.kill(-child.pid, "SIGINT");
  }
  expect(text).toBe("ready\nbye\n");
  expect(await child.exited).toBe(5);
  running.length = 0;
});

test("a version that was killed is no success", async () => {
  write("kill -9 $$");
  expect(await output(start())).toEqual(["", 1]);
});

test("whoever waits starts the next version when it is asked to, and no third process stays", async () => {
  const request = join(directory, ".app.rustpatcher-restart");
  // Version 1 asks like the updater does, with its own number, after it has put version 2 in its place.
  write(
    `echo one $RUSTPATCHER_SUPERVISOR $PPID; printf '#!/bin/sh\\necho two $RUSTPATCHER_SUPERVISOR $PPID; exit 3\\n' > ${program}.new; chmod +x ${program}.new; mv ${program}.new ${program}; echo $$ > ${request}`,
  );
  const child = start();
  const { pid } = child;
  expect(await output(child)).toEqual([`one ${pid} ${pid}\ntwo ${pid} ${pid}\n`, 3]);
  expect(existsSync(request)).toBe(false);
});

test("a request of another process is none", async () => {
  writeFileSync(join(directory, ".app.rustpatcher-restart"), "1\n");
  write("echo once");
  expect(await output(start())).toEqual(["once\n", 0]);
});

test("a version that knows somebody waits for it asks and ends at once", async () => {
  write("echo must not run");
  const inner = `RUSTPATCHER_SUPERVISOR=$$ ${process.execPath} ${HELPER} ${program} & echo $!; wait $!; echo ended with $?`;
  const child = Bun.spawnSync(["/bin/sh", "-c", inner], { cwd: directory, timeout: LIFETIME_MS });
  const [pid = "", ended = ""] = child.stdout.toString().split("\n");
  expect(ended).toBe("ended with 0");
  expect(await Bun.file(join(directory, ".app.rustpatcher-restart")).text()).toBe(`${pid}\n`);
});

test("what an app starts does not believe that somebody waits for it", async () => {
  write("echo ran $RUSTPATCHER_SUPERVISOR");
  const child = Bun.spawn([process.execPath, HELPER, program], {
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", RUSTPATCHER_SUPERVISOR: "1" },
    timeout: LIFETIME_MS,
  });
  expect(await child.stdout.text()).toBe(`ran ${child.pid}\n`);
  expect(readdirSync(directory)).toEqual(["app"]);
});
