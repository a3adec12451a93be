/** New versions that start, and then do not live: what stands at the path afterwards, and what is said. */
import { describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { withFile } from "../../src/fs/file-source.ts";
import { pendingHeader, pendingPath } from "../../src/update/pending.ts";
import { readPending } from "../../src/update/probation.ts";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { digestOf } from "../helpers/installed.ts";

const TIMEOUT_MS = 120_000;
const RUN_TIMEOUT_MS = 60_000;
/** Ends the way it is told to. What it is not told is what a version that is broken at start does. */
const FRAGILE = `import { spawn } from "rustpatcher";
const [, , how = "exit", seconds] = process.argv;
console.log("fragile");
if (how === "exit") process.exit(1);
if (how === "throw") throw new Error("broken");
if (how === "signal") process.kill(process.pid, "SIGSEGV");
if (how === "hang") for (;;);
if (how === "sleep") Bun.sleepSync(60_000);
if (how === "microtasks") (async () => { for (;;) await undefined; })();
if (how === "update") { await spawn(); setInterval(() => undefined, 1_000); }
if (how === "ask") console.log(prompt("and?"));
if (how === "wait") Bun.spawnSync(["sleep", seconds]);
if (how === "stay") setInterval(() => undefined, 1_000);
if (how === "manual") await spawn({ confirm: "manual" });
if (how === "healthy") {
  const patcher = await spawn({ confirm: "manual" });
  patcher.healthy();
  process.exit(1);
}
`;

const { releases, world } = setUpE2e();

const fragile = (): Promise<string> => world.release({ version: "1.5.0", source: FRAGILE });

/** The fragile version on probation, as step 7 leaves it. */
async function installed(): Promise<{ path: string; old: string }> {
  const path = await fragile();
  const previous = world.copy(
    await releases.get({ version: "1.0.0" }),
    dirname(path),
    ".app.rustpatcher-previous",
  );
  const old = digestOf(previous);
  const found = withFile(path, (source) => verifyExecutable(source));
  writeFileSync(
    pendingPath(path),
    pendingHeader(found.region, found.kind === "full" ? found.table.root.toHex() : "", "1.5.0"),
    { mode: 0o600 },
  );
  return { path, old };
}

function starting(
  path: string,
  how: string,
  env: Readonly<Record<string, string>> = {},
  ...args: readonly string[]
): Bun.Subprocess<"pipe", "pipe", "pipe"> {
  return Bun.spawn([path, how, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", RUSTPATCHER_BOOTSTRAP: "127.0.0.1:1", ...env },
    timeout: RUN_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
}

/** Starts it, waits for its first word and, when it would not end by itself, kills it. */
async function start(path: string, how: string): Promise<void> {
  const child = starting(path, how);
  const reader = child.stdout.getReader();
  await reader.read();
  if (how === "hang") child.kill("SIGKILL");
  await child.exited;
}

/** Runs it with its updater until it says this on stderr; what it has said. */
async function told(path: string, text: string): Promise<string> {
  const child = starting(path, "update");
  let said = "";
  for await (const bytes of child.stderr) {
    said += new TextDecoder().decode(bytes);
    if (said.includes(text)) break;
  }
  child.kill("SIGKILL");
  await child.exited;
  return said;
}

function isOn(path: string): boolean {
  return existsSync(pendingPath(path)) && readPending(pendingPath(path))?.isGood !== true;
}

test(
  "a new version that ends at every start is taken back, told of, and not installed again (H1)",
  async () => {
    const path = await world.release({ version: "1.0.0" });
    const next = await fragile();
    const honest = world.holding(next);
    await world.provider(honest.record, honest);
    const digest = digestOf(path);
    const app = await world.run(path);
    await app.event("restarting");
    // It has become the new version, and that has ended.
    expect(await app.exited).not.toBe(0);
    expect(digestOf(path)).toBe(digestOf(next));
    await start(path, "exit");
    await start(path, "throw");
    const back = await world.run(path);
    expect(back.all("start")[0]).toMatchObject({ version: "1.0.0", argv0: path });
    expect(digestOf(path)).toBe(digest);
    expect(back.log.join("\n")).toContain("version 1.5.0: it ended 3 times before it was healthy");
    await back.until(() => back.all("error").some(({ code }) => code === "REFUSED"), "the refusal");
    expect(back.all("applied")).toEqual([]);
    expect(digestOf(path)).toBe(digest);
    expect(isOn(path)).toBe(false);
    const later = await world.release({ version: "10.0.0", build: "two" });
    await world.run(later);
    expect(await back.event("start", 2)).toMatchObject({ version: "10.0.0", pid: back.pid });
  },
  TIMEOUT_MS,
);

describe("a version on probation", () => {
  test(
    "has failed when it was killed, by a signal of its own or because it hung, three times",
    async () => {
      const { path, old } = await installed();
      for (const how of ["signal", "hang", "manual"]) {
        expect(digestOf(path)).not.toBe(old);
        await start(path, how);
      }
      const back = await world.run(path);
      expect(back.all("start")[0]).toMatchObject({ version: "1.0.0" });
      expect(await back.event("rolled-back")).toMatchObject({ version: "1.5.0" });
      expect(digestOf(path)).toBe(old);
    },
    TIMEOUT_MS,
  );

  test.each(["hang", "sleep", "microtasks"])(
    "that hangs is taken back by itself, in the same process: %s (H2)",
    async (how) => {
      const { path, old } = await installed();
      const back = await world.run(path, { args: [how], env: { RUSTPATCHER_HANG_SECONDS: "2" } });
      expect(back.all("start")[0]).toMatchObject({ version: "1.0.0", argv0: path, pid: back.pid });
      expect(back.all("start")[0]?.["argv"]).toEqual(["bun", "/$bunfs/root/app", how]);
      expect(digestOf(path)).toBe(old);
      expect(back.log.join("\n")).toContain("version 1.5.0: it hung before it was healthy");
      expect(await back.event("rolled-back")).toMatchObject({
        version: "1.5.0",
        reason: "it hung before it was healthy",
      });
      expect(readFileSync(`/proc/${back.pid}/status`, "latin1")).toMatch(/^SigBlk:\t0+$/m);
      expect(isOn(path)).toBe(false);
    },
    TIMEOUT_MS,
  );

  test(
    "does not hang while it waits for a person or for another program",
    async () => {
      // It waits while the watchdog looks, and has as long as the watchdog gives it to start and to end.
      const hangSeconds = 5;
      const waitSeconds = 8;
      const waiting = ["ask", "wait"].map(async (how) => {
        const { path, old } = await installed();
        const env = { RUSTPATCHER_HANG_SECONDS: String(hangSeconds) };
        const child = starting(path, how, env, String(waitSeconds));
        if (how === "ask") {
          await Bun.sleep(waitSeconds * 1000);
          void child.stdin.write("so\n");
          void child.stdin.flush();
        }
        expect(await child.exited).toBe(0);
        expect(digestOf(path)).not.toBe(old);
        expect(isOn(path)).toBe(false);
      });
      await Promise.all(waiting);
    },
    TIMEOUT_MS,
  );

  test(
    "that hangs with nothing to go back to is told of and left alone",
    async () => {
      const { path } = await installed();
      rmSync(join(dirname(path), ".app.rustpatcher-previous"));
      const child = starting(path, "hang", { RUSTPATCHER_HANG_SECONDS: "1" });
      const { value } = await child.stderr.getReader().read();
      expect(new TextDecoder().decode(value)).toContain("there is no version to go back to");
      expect(child.exitCode).toBeNull();
      child.kill("SIGKILL");
      await child.exited;
    },
    TIMEOUT_MS,
  );

  test(
    "that failed runs on when its rollback copy is itself, by another name",
    async () => {
      const { path, old } = await installed();
      const previous = join(dirname(path), ".app.rustpatcher-previous");
      rmSync(previous);
      linkSync(path, previous);
      appendFileSync(pendingPath(path), "back\n");
      const child = starting(path, "nothing");
      expect(await new Response(child.stderr).text()).toContain("no version to go back to");
      expect([await child.exited, digestOf(path) === old]).toEqual([0, false]);
    },
    TIMEOUT_MS,
  );

  test(
    "that failed is taken back once, however many start at that moment",
    async () => {
      const { path, old } = await installed();
      appendFileSync(pendingPath(path), "4194304\n4194304\n4194304\n");
      const all = await Promise.all(Array.from({ length: 6 }, () => world.run(path)));
      for (const back of all) expect(back.all("start")[0]).toMatchObject({ version: "1.0.0" });
      expect(digestOf(path)).toBe(old);
    },
    TIMEOUT_MS,
  );

  test(
    "is healthy when it ends with code 0, or says so, and then may crash as often as it likes",
    async () => {
      const { path, old } = await installed();
      await start(path, "exit");
      await start(path, "nothing");
      expect(isOn(path)).toBe(false);
      for (let times = 0; times < 4; times++) await start(path, "exit");
      expect(digestOf(path)).not.toBe(old);
      // Counted, with the one before it was healthy, and told of by the next start (H4).
      const text = "version 1.5.0 has ended badly 5 of its first times";
      expect(await told(path, text)).toContain(text);
      expect(digestOf(path)).not.toBe(old);
      for (let times = 0; times < 2; times++) await start(path, "nothing");
      expect(existsSync(pendingPath(path))).toBe(false);
      const again = await installed();
      await start(again.path, "healthy");
      expect(isOn(again.path)).toBe(false);
    },
    TIMEOUT_MS,
  );

  test(
    "is not blamed for copies that still run, and healthy after ten seconds",
    async () => {
      const { path, old } = await installed();
      const copies = Array.from({ length: 4 }, () => starting(path, "stay"));
      try {
        for (const copy of copies) await copy.stdout.getReader().read();
        await start(path, "exit");
        expect(digestOf(path)).not.toBe(old);
        const endMs = performance.now() + RUN_TIMEOUT_MS;
        while (isOn(path) && performance.now() < endMs) await Bun.sleep(50);
        expect(isOn(path)).toBe(false);
      } finally {
        for (const copy of copies) copy.kill("SIGKILL");
        await Promise.all(copies.map((copy) => copy.exited));
      }
    },
    TIMEOUT_MS,
  );

  test(
    "whose way back was interrupted goes back at the next start (H5)",
    async () => {
      const { path, old } = await installed();
      appendFileSync(pendingPath(path), "back\n");
      const back = await world.run(path);
      expect(back.all("start")[0]).toMatchObject({ version: "1.0.0" });
      expect(digestOf(path)).toBe(old);
      await back.event("rolled-back");
    },
    TIMEOUT_MS,
  );

  test(
    "of another version says nothing about this one",
    async () => {
      const { path } = await installed();
      const header = pendingHeader(new Uint8Array(4096), "00".repeat(32), "1.6.0");
      writeFileSync(pendingPath(path), `${header}1\n2\n3\nback\n`);
      await start(path, "exit");
      expect(digestOf(path)).not.toBe(digestOf(join(dirname(path), ".app.rustpatcher-previous")));
      expect(readFileSync(pendingPath(path), "utf8")).toBe(`${header}1\n2\n3\nback\n`);
    },
    TIMEOUT_MS,
  );
});

test(
  "rollback puts the previous version back and becomes it; the one that was left stays away",
  async () => {
    const path = await world.release({ version: "1.0.0" });
    const digest = digestOf(path);
    const next = await world.release({ version: "1.0.1", build: "two" });
    await world.run(next);
    const app = await world.run(path);
    expect(await app.event("start", 2)).toMatchObject({ version: "1.0.1" });
    app.send("rollback");
    expect(await app.event("start", 3)).toMatchObject({ version: "1.0.0", pid: app.pid });
    expect(digestOf(path)).toBe(digest);
    await app.until(() => app.all("error").some(({ code }) => code === "REFUSED"), "the refusal");
    expect(digestOf(path)).toBe(digest);
    app.send("rollback");
    await app.until(
      () => app.all("answer").some(({ code }) => code === "NO_PREVIOUS"),
      "a refusal",
    );
  },
  TIMEOUT_MS,
);
