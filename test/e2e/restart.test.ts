/** Step 8 and H8: what a process is after it has become the new version, compared with one that was started afresh. */
import { expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AppProcess } from "../helpers/app-process.ts";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { digestOf } from "../helpers/installed.ts";
import { until } from "../helpers/swarm-world.ts";

const TIMEOUT_MS = 40_000;
const WAIT_MS = 20_000;
const { world } = setUpE2e();

/** An app that holds all that an app may hold open, or changes about itself. */
const source = (build: string): string => `import { spawn } from "rustpatcher";
import { openSync, chmodSync } from "node:fs";

const say = (name, fields = {}) => process.stdout.write(JSON.stringify({ name, build: ${JSON.stringify(build)}, pid: process.pid, umask: process.umask(), ...fields }) + "\\n");
say("start");
const held = [];
if (process.argv.includes("busy")) {
  const server = Bun.serve({ port: 0, fetch: () => new Response("ok") });
  held.push(server, openSync("/etc/passwd", "r"), openSync(process.argv.at(-1), "w"));
  held.push(Bun.spawn(["sleep", "30"], { stdio: ["pipe", "pipe", "pipe"] }));
  held.push(await Bun.udpSocket({ hostname: "127.0.0.1" }), await fetch(server.url));
  held.push(new Worker("data:text/javascript,setInterval(() => undefined, 100)"));
  process.on("SIGUSR2", () => undefined);
  process.on("SIGTERM", () => undefined);
}
const patcher = await spawn({ mode: "manual" });
patcher.on("error", ({ message, evidence }) => say("error", { message, code: evidence.updateCode }));
if (process.argv.includes("raw")) process.stdin.setRawMode(true);
if (process.argv.includes("spoilt")) patcher.beforeRestart(() => chmodSync(process.execPath, 0o644));
// The release may not have been told of yet, and nobody may be there yet to fetch it from.
const apply = () => {
  const again = () => setTimeout(apply, 200);
  patcher.apply().then((release) => release ?? again(), again);
};
for await (const line of console) {
  if (line === "apply") apply();
  if (line === "echo") say("echo");
}
`;

async function pair(
  args: readonly string[],
): Promise<{ old: AppProcess; next: AppProcess; path: string }> {
  const path = await world.release({ version: "1.0.0", source: source("one") });
  const newer = await world.release({ version: "1.0.1", source: source("two") });
  const next = await world.run(newer);
  const old = await world.run(path, { args, cwd: world.folder() });
  return { old, next, path };
}

/** Of proc_pid_status(5): blocked and ignored signals. Which are caught is the run time's own doing. */
function signalsOf(pid: number): Record<string, string> {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Object.fromEntries(
    ["SigBlk", "SigIgn", "SigCgt"].map((name) => [
      name,
      new RegExp(`^${name}:\\s*(\\S+)$`, "m").exec(status)?.[1] ?? "",
    ]),
  );
}

/** What the descriptors of a process lead to, without numbers that differ anyway; its own epoll and the like count. */
function descriptorsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(join(directory, fd)).replace(/\[\d+\]$/, "")];
    } catch {
      return [];
    }
  });
}

/** Sockets that listen, of all processes. */
function listeningPorts(pid: number): string[] {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ""];
      } catch {
        return [];
      }
    }),
  );
  return ["tcp", "tcp6"]
    .flatMap((name) => readFileSync(`/proc/net/${name}`, "latin1").split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && own.has(fields[9] ?? ""))
    .map((fields) => fields[1] ?? "");
}

test(
  "leaves nothing of the old process open, blocked, ignored or changed",
  async () => {
    const file = join(world.folder(), "written");
    const { old, next } = await pair(["busy", file]);
    await old.until(() => listeningPorts(old.pid).length === 1, "the server");
    const names = (): string[] => descriptorsOf(old.pid);
    expect(names()).toContain(file);
    expect(names()).toContain("/etc/passwd");
    old.send("apply");
    const after = await old.event("start", 2);
    expect(after).toMatchObject({ build: "two", pid: old.pid });
    // The new version opens all of it again; what stays from the old one would be there twice.
    await old.until(() => listeningPorts(old.pid).length === 1, "the server of the new version");
    old.send("echo");
    await old.event("echo");
    const count = (name: string): number => names().filter((one) => one === name).length;
    expect([file, "/etc/passwd"].map(count)).toEqual([1, 1]);
    expect(listeningPorts(old.pid)).toHaveLength(1);
    // The same program, started afresh with the same arguments, is the measure.
    const fresh = await world.run(world.copy(`/proc/${next.pid}/exe`), { args: ["busy", file] });
    await fresh.until(() => listeningPorts(fresh.pid).length === 1, "the server of the fresh one");
    fresh.send("echo");
    await fresh.event("echo");
    const kinds = (pid: number): string[] =>
      descriptorsOf(pid)
        .filter(
          (name) =>
            !/^(socket:|anon_inode:|pipe:)/.test(name) &&
            !name.startsWith(world.directory + "/copy"),
        )
        .sort();
    expect(kinds(old.pid)).toEqual(kinds(fresh.pid));
    await until(
      () => JSON.stringify(signalsOf(old.pid)) === JSON.stringify(signalsOf(fresh.pid)),
      `the signals of a fresh start: ${JSON.stringify([signalsOf(old.pid), signalsOf(fresh.pid)])}`,
      WAIT_MS,
    );
    expect(signalsOf(old.pid)["SigBlk"]).toMatch(/^0+$/);
  },
  TIMEOUT_MS,
);

test(
  "keeps umask, session, parent, priority and standard streams",
  async () => {
    const path = await world.release({ version: "1.0.0", source: source("one") });
    await world.run(await world.release({ version: "1.0.1", source: source("two") }));
    const facts = (pid: number): unknown[] => {
      const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ");
      const streams = [0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
      // ppid, pgrp, session, tty, nice.
      return [...[1, 2, 3, 4, 16].map((index) => fields[index]), ...streams];
    };
    const wrapper = join(world.folder(), "start");
    writeFileSync(wrapper, `#!/bin/sh\numask 027\ntrap '' USR1\nexec nice -n 3 "${path}" "$@"\n`);
    chmodSync(wrapper, 0o755);
    const old = await world.run(wrapper, { args: ["a"] });
    const before = facts(old.pid);
    old.send("apply");
    expect(await old.event("start", 2)).toMatchObject({ build: "two", umask: 0o027 });
    expect(facts(old.pid)).toEqual(before);
    expect(before[4]).toBe("3");
    // What whoever started it had ignored stays ignored: SIGUSR1, bit 9.
    const ignored = BigInt(`0x${signalsOf(old.pid)["SigIgn"]}`);
    expect(ignored & (1n << 9n)).not.toBe(0n);
    old.send("echo");
    expect(await old.event("echo")).toMatchObject({ build: "two" });
  },
  TIMEOUT_MS,
);

test(
  "goes on as it was when the new version cannot be started after all",
  async () => {
    const { old, path } = await pair(["spoilt"]);
    const digest = digestOf(path);
    old.send("apply");
    expect(await old.event("error")).toMatchObject({ code: "RESTART_FAILED" });
    old.send("echo");
    expect(await old.event("echo")).toMatchObject({ build: "one", pid: old.pid });
    expect(old.all("start")).toHaveLength(1);
    expect(digestOf(path)).toBe(digest);
    const again = await world.run(path);
    expect(await again.event("start")).toMatchObject({ build: "one" });
  },
  TIMEOUT_MS,
);

/** A terminal of its own: starts the app in it, says what it is told to, and reports the terminal's state. */
const TERMINAL = `import json, os, pty, select, sys, termios, time
path, how, env = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
pid, fd = pty.fork()
if pid == 0:
    state = termios.tcgetattr(0)
    state[3] &= ~termios.ECHO
    state[6][termios.VERASE] = b"\\x08"
    termios.tcsetattr(0, termios.TCSANOW, state)
    os.execve(path, [path, how], env)
def state():
    s = termios.tcgetattr(fd)
    return [s[0], s[1], s[2], s[3], [c.hex() if isinstance(c, bytes) else c for c in s[6]]]
seen, end, states = b"", time.time() + 25, []
while seen.count(b'"start"') < 2 and time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        seen += os.read(fd, 4096)
    if seen.count(b'"start"') == 1 and not states:
        time.sleep(1)
        states.append(state())
        os.write(fd, b"apply\\n")
time.sleep(1)
states.append(state())
os.kill(pid, 9)
print(json.dumps({"starts": seen.count(b'"start"'), "states": states}))
`;

test.each(["cooked", "raw"])(
  "keeps the state of its terminal: %s",
  async (how) => {
    const path = await world.release({ version: "1.0.0", source: source("one") });
    await world.run(await world.release({ version: "1.0.1", source: source("two") }));
    const env = {
      PATH: "/bin",
      RUSTPATCHER_BOOTSTRAP: world.net.bootstrap.map(({ port }) => `127.0.0.1:${port}`).join(","),
      RUSTPATCHER_INTERVAL: "1",
      RUSTPATCHER_LOG: "silent",
    };
    const script = join(world.folder(), "terminal.py");
    writeFileSync(script, TERMINAL);
    const child = Bun.spawn(["python3", script, path, how, JSON.stringify(env)], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const { starts, states } = JSON.parse(await new Response(child.stdout).text()) as {
      starts: number;
      states: unknown[];
    };
    expect(starts).toBe(2);
    expect(states[1]).toEqual(states[0]);
  },
  TIMEOUT_MS,
);
