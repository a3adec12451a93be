import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PatcherError } from "../../src/patcher/error.ts";
import type { FromWorker, StartMessage } from "../../src/patcher/protocol.ts";
import { WorkerLink } from "../../src/patcher/worker-link.ts";
import { until } from "../helpers/swarm-world.ts";

const START: StartMessage = {
  type: "start",
  execPath: "/nowhere",
  verbosity: "warn",
  overrides: {},
  environment: {},
};

let directory = "";
let messages: FromWorker[];
let crashes: string[];
const links: WorkerLink[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  messages = [];
  crashes = [];
});
afterEach(async () => {
  for (const link of links.splice(0)) await link.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A link to a Worker that runs `script` for each message `data`. */
function link(script: string): WorkerLink {
  const workerPath = join(directory, "worker.js");
  writeFileSync(
    workerPath,
    `self.onmessage = ({ data }) => {
      if (data.type === "stop") return self.postMessage({ type: "stopped" });
      ${script}
    };`,
  );
  const made = new WorkerLink({
    workerPath,
    start: START,
    onMessage: (message) => void messages.push(message),
    onCrash: (reason) => void crashes.push(reason),
  });
  links.push(made);
  return made;
}

const ANSWERS = `if (data.type === "ask") self.postMessage({ type: "answer", id: data.id, value: { version: data.question } });`;

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "accepted",
    (error: PatcherError) => error.code,
  );
}

test("starts the Worker with what it has to know", async () => {
  link(`self.postMessage({ type: "log", level: "info", text: JSON.stringify(data) });`).startAfter(
    0,
  );
  await until(() => messages.length > 0, "a message");
  expect(messages).toEqual([{ type: "log", level: "info", text: JSON.stringify(START) }]);
});

test("starts one Worker, however often it is told to", async () => {
  const one = link(`self.postMessage({ type: "log", level: "info", text: "up" });`);
  one.startAfter(0);
  one.startAfter(0);
  await until(() => messages.length > 0, "a message");
  one.startAfter(0);
  await Bun.sleep(50);
  expect(messages).toHaveLength(1);
});

test("passes questions on and answers to whoever asked", async () => {
  const asked = link(ANSWERS);
  const answers = await Promise.all([asked.ask("check"), asked.ask("apply")]);
  expect(answers.map((release) => release?.version)).toEqual(["check", "apply"]);
});

test("passes a refusal on as an error with the updater's code", async () => {
  const refused = link(
    `if (data.type === "ask") self.postMessage({ type: "refusal", id: data.id, error: { code: "BUSY", message: "later" } });`,
  );
  const error = await refused.ask("apply").catch((cause: PatcherError) => cause);
  expect(error).toMatchObject({ code: "UPDATE_FAILED", message: "later" });
  expect(error).toMatchObject({ evidence: { updateCode: "BUSY" } });
});

describe("a Worker that ends by itself", () => {
  test.each([
    ["by an error", `throw new Error("boom");`, "error: boom"],
    ["by an error of a class", `throw new TypeError("boom");`, "TypeError: boom"],
    ["by a rejection nobody handles", `void Promise.reject(new Error("boom"));`, "error: boom"],
    ["by an exit", `process.exit(3);`, "it ended"],
  ])("%s is said, and started again", async (_how, crash, reason) => {
    const made = link(`if (data.type === "start") { ${crash} }`);
    made.startAfter(0);
    await until(() => crashes.length >= 2, "the second crash", 10_000);
    expect(crashes[0]).toBe(reason);
  });

  test("answers what was asked with an error", async () => {
    const made = link(`if (data.type === "ask") process.exit(1);`);
    expect(await codeOf(made.ask("check"))).toBe("WORKER_LOST");
    expect(await codeOf(made.ask("check"))).toBe("WORKER_LOST");
  });
});

test("a Worker that asks for it is replaced without a word", async () => {
  const made = link(
    `self.postMessage({ type: "log", level: "info", text: "up" }); self.postMessage({ type: "again" });`,
  );
  made.startAfter(0);
  await until(() => messages.length >= 2, "the second Worker", 10_000);
  expect(crashes).toEqual([]);
});

test("a Worker that has no place here is not started again", async () => {
  const off = link(`self.postMessage({ type: "off" });`);
  expect(await codeOf(off.ask("check"))).toBe("INACTIVE");
  expect(await codeOf(off.ask("check"))).toBe("INACTIVE");
  expect(crashes).toEqual([]);
});

test("after stop nothing is started, asked or heard", async () => {
  const made = link(ANSWERS);
  await made.ask("check");
  await made.stop();
  await made.stop();
  made.startAfter(0);
  expect(await codeOf(made.ask("check"))).toBe("STOPPED");
  expect(crashes).toEqual([]);
});

test("a stop ends what is under way", async () => {
  const made = link("");
  const pending = codeOf(made.ask("apply"));
  await made.stop();
  expect(await pending).toBe("STOPPED");
});

test("does not keep a process alive, unless somebody awaits an answer", async () => {
  const run = async (last: string): Promise<string> => {
    const workerPath = join(directory, "worker.js");
    writeFileSync(
      workerPath,
      `self.onmessage = ({ data }) => setTimeout(() => { ${ANSWERS} }, 50);`,
    );
    const script = `const { WorkerLink } = await import(${JSON.stringify(join(import.meta.dir, "../../src/patcher/worker-link.ts"))});
      const link = new WorkerLink({ workerPath: ${JSON.stringify(workerPath)}, start: {}, onMessage() {}, onCrash() {} });
      link.startAfter(0);
      await Bun.sleep(100);
      ${last}`;
    const child = Bun.spawn([process.execPath, "-e", script], {
      stdout: "pipe",
      stderr: "inherit",
      timeout: 10_000,
    });
    const text = await new Response(child.stdout).text();
    expect(await child.exited).toBe(0);
    return text;
  };
  expect(await run("")).toBe("");
  expect(await run("void link.ask('check').then((answer) => console.log(answer.version));")).toBe(
    "check\n",
  );
});
