/**
 * The app that end-to-end tests run. It says on stdout what happens, one JSON object a line, and does what
 * it is told on stdin. `build` is the one line in which two builds differ.
 */
export function e2eApp(build: string): string {
  return `import { Patch, spawn, Version } from "rustpatcher";
import "rustpatcher/auto";

const say = (name, fields = {}) => process.stdout.write(JSON.stringify({ name, now: Date.now(), ...fields }) + "\\n");
say("start", {
  build: ${JSON.stringify(build)},
  version: String(Version.current()),
  pid: process.pid,
  argv: process.argv,
  argv0: process.argv0,
  cwd: process.cwd(),
  env: { ...process.env },
  uid: process.geteuid(),
});
const patcher = await spawn();
for (const name of ["checking", "available", "progress", "verified", "applied", "restarting"]) {
  patcher.on(name, (release) => say(name, release));
}
patcher.on("rolled-back", (version, reason) => say("rolled-back", { version, reason }));
patcher.on("withdrawn", (version, release) => say("withdrawn", { version, release }));
patcher.on("error", ({ message, evidence }) => say("error", { message, code: evidence.updateCode }));
const answer = (question, work) =>
  work.then(
    (value) => say("answer", { question, value: value ?? null }),
    (error) => say("answer", { question, error: error.message, code: error.evidence?.updateCode ?? error.code }),
  );
for await (const line of console) {
  const [command, rest] = line.split(" ");
  if (command === "check") answer(command, patcher.check());
  if (command === "apply") answer(command, patcher.apply());
  if (command === "drain") {
    const [takesMs, timeoutMs] = rest.split(",").map(Number);
    patcher.beforeRestart(async () => {
      say("draining");
      if (takesMs < 0) throw new Error("no water");
      await Bun.sleep(takesMs);
      say("drained");
    }, timeoutMs);
  }
  if (command === "status") answer(command, patcher.status());
  if (command === "healthy") patcher.healthy();
  if (command === "channel") answer(command, patcher.switchChannel(rest));
  if (command === "rollback") answer(command, patcher.rollback());
  if (command === "stop") answer(command, patcher.stop());
  if (command === "spawn") answer(command, spawn().then((again) => ({ same: again === patcher, active: again.active })));
  if (command === "self")
    answer(command, Patch.fromSelf().then(({ info }) => ({ ...info, version: String(info.version), hash: info.hash.toHex(), signature: info.signature.toHex() })));
  if (command === "chdir") process.chdir(rest);
  if (command === "exit") process.exit(0);
}
`;
}
