/**
 * windows-x64 under wine, in one command:
 *
 *   bun test/targets/windows.ts
 *
 * Real executables and what wine takes over from Windows: running files that cannot be removed or replaced, sharing
 * violations, access lists, processes that cannot become others. Needs Debian's wine64, and gcc-mingw-w64-x86-64 for
 * the one library that wine 8 lacks. Prints a line for each thing seen and ends with 1 when one was not.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { finished, says, STEP_TIMEOUT_MS, TargetsWorld, type Child } from "./world.ts";

const WINE = [Bun.which("wine64"), "/usr/lib/wine/wine64"].find(
  (path) => path !== null && existsSync(path),
);
const MINGW = Bun.which("x86_64-w64-mingw32-gcc") ?? Bun.which("x86_64-w64-mingw32-gcc-win32");
if (WINE === undefined || WINE === null || MINGW === null) {
  throw new Error("wine64 and gcc-mingw-w64-x86-64 are needed");
}
const WAIT_MS = 60_000;
const LIBRARY = "bcryptprimitives.dll";
const PORT = 47_311;
const world = new TargetsWorld();
let failures = 0;
const publishers: Child[] = [];

function seen(what: string, isSeen: boolean): void {
  console.log(`windows-x64   ${isSeen ? "seen  " : "FAILED"}  ${what}`);
  if (!isSeen) failures++;
}

/** The app says what it is, listens on a port as long as it runs, and ends as it is told by its first argument. */
function appSource(version: string, body: string): string {
  return `import "rustpatcher/auto";
import { spawn } from "rustpatcher";
console.log("version ${version}", JSON.stringify(process.argv.slice(2)), process.env.COLOUR, process.env.RUSTPATCHER_SUPERVISOR);
const server = Bun.serve({ hostname: "127.0.0.1", port: ${PORT}, fetch: () => new Response("${version}") });
console.log("listening ${version}");
const patcher = await spawn();
patcher.on("rolled-back", (left) => console.log("rolled back from", left));
${body}
setInterval(() => undefined, 1000);
`;
}

async function build(version: string, body = ""): Promise<void> {
  world.app(appSource(version, body));
  const what = ["--app", "wine", "--version", version, "--target", "windows-x64"];
  const key = ["--sign", "--key-file", "owner_key"];
  await world.done("build", "app.ts", "--outfile", join(version, "app.exe"), ...what, ...key);
}

/** An installation of its own; the directory may be written to by us alone. */
function install(name: string, version: string): string {
  const home = world.path(name);
  mkdirSync(home, { mode: 0o755 });
  copyFileSync(world.path(version, "app.exe"), join(home, "app.exe"));
  copyFileSync(world.path(LIBRARY), join(home, LIBRARY));
  return home;
}

function run(home: string, bootstrap: string, ...args: readonly string[]): Child {
  const env = {
    WINEPREFIX: world.path("prefix"),
    WINEDEBUG: "-all",
    RUSTPATCHER_BOOTSTRAP: bootstrap,
    RUSTPATCHER_INTERVAL: "1",
    COLOUR: "green",
  };
  return world.spawn([WINE ?? "", join(home, "app.exe"), ...args], env, home);
}

/** Everything that comes on stdout, and a wait for some of it. */
function watch(child: Child) {
  let text = "";
  const ended = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of child.stdout) text += decoder.decode(bytes, { stream: true });
  })();
  return {
    get text() {
      return text;
    },
    async until(pattern: RegExp, timeoutMs = WAIT_MS): Promise<boolean> {
      const endMs = performance.now() + timeoutMs;
      while (!pattern.test(text) && performance.now() < endMs && child.exitCode === null) {
        await Bun.sleep(50);
      }
      return pattern.test(text);
    },
    ended,
  };
}

async function publish(version: string, bootstrap: string): Promise<void> {
  const publisher = world.cli("publish", join(version, "app.exe"), "--bootstrap", bootstrap);
  publishers.push(publisher);
  await says(publisher, /serving/, STEP_TIMEOUT_MS);
}

async function unpublish(): Promise<void> {
  for (const publisher of publishers.splice(0)) {
    publisher.kill();
    await publisher.exited;
  }
}

const files = (home: string): string[] => readdirSync(home).sort();

async function updates(bootstrap: string): Promise<void> {
  await publish("2.0.0", bootstrap);
  const home = install("updates", "1.0.0");
  const app = run(home, bootstrap, "a", "b c");
  const output = watch(app);
  seen("starts", await output.until(/version 1\.0\.0 \["a","b c"\] green undefined/));
  const isSecond = await output.until(/version 2\.0\.0 .*[^]*listening 2\.0\.0/);
  seen("updates itself while it runs: 1.0.0 → 2.0.0", isSecond);
  seen(
    "same arguments and environment",
    output.text.includes('version 2.0.0 ["a","b c"] green undefined'),
  );
  seen("the port of the old version is free for the new one", isSecond);
  seen(
    "the old version is kept to go back to",
    existsSync(join(home, ".app.exe.rustpatcher-previous")),
  );
  await unpublish();
  await publish("3.0.0", bootstrap);
  seen("and once more: 2.0.0 → 3.0.0", await output.until(/listening 3\.0\.0/));
  await fetch(`http://127.0.0.1:${PORT}/`).then(async (answer) =>
    seen("the newest version answers", (await answer.text()) === "3.0.0"),
  );
  await unpublish();
  app.kill("SIGKILL");
  await app.exited;
  seen("the new version ends with the process that waits for it", await isSilent());
  const again = run(home, bootstrap);
  const second = watch(again);
  seen("the next start is the newest version", await second.until(/listening 3\.0\.0/));
  const isSwept = await until(() => !files(home).some((name) => name.endsWith("rustpatcher-tmp")));
  seen("what still ran at the last update is cleared away", isSwept);
  again.kill("SIGKILL");
  await again.exited;
  await isSilent();
}

async function exitCodes(bootstrap: string): Promise<void> {
  await publish("4.0.0", bootstrap);
  const home = install("codes", "1.0.0");
  const app = run(home, bootstrap);
  const output = watch(app);
  await output.until(/version 4\.0\.0/);
  seen("the exit code of the new version is the program's", (await app.exited) === 7);
  await unpublish();
}

async function rollback(bootstrap: string): Promise<void> {
  await publish("5.0.0", bootstrap);
  const home = install("rollback", "1.0.0");
  let text = "";
  // It becomes 5.0.0, which ends at once; the third start after that finds three dead ones, and goes back.
  for (let start = 1; start <= 5 && !text.includes("rolled back from 5.0.0"); start++) {
    const app = run(home, bootstrap);
    const output = watch(app);
    if (start < 4) await Promise.race([app.exited, Bun.sleep(WAIT_MS)]);
    else await output.until(/rolled back from 5\.0\.0/, 15_000);
    text += output.text;
    app.kill("SIGKILL");
    await app.exited;
    await isSilent();
  }
  seen("a version that keeps ending is taken back", text.includes("rolled back from 5.0.0"));
  const size = (name: string): number => statSync(name).size;
  seen(
    "and the old executable is in its place",
    size(join(home, "app.exe")) === size(world.path("1.0.0", "app.exe")) &&
      Buffer.compare(
        Buffer.from(await Bun.file(join(home, "app.exe")).bytes()),
        Buffer.from(await Bun.file(world.path("1.0.0", "app.exe")).bytes()),
      ) === 0,
  );
  await unpublish();
}

async function unsafe(bootstrap: string): Promise<void> {
  await publish("2.0.0", bootstrap);
  const home = install("unsafe", "1.0.0");
  // What wine makes an access list of in which everybody may write.
  chmodSync(home, 0o777);
  const app = run(home, bootstrap);
  const error = await says(app, /can be written to by others \(WD\)/, WAIT_MS, app.stderr);
  seen("a directory that others may write to is refused", error !== undefined);
  app.kill("SIGKILL");
  await app.exited;
  await isSilent();
  await unpublish();
}

async function until(isTrue: () => boolean): Promise<boolean> {
  const endMs = performance.now() + WAIT_MS;
  while (!isTrue() && performance.now() < endMs) await Bun.sleep(50);
  return isTrue();
}

/** Nothing listens any more. */
async function isSilent(): Promise<boolean> {
  for (const endMs = performance.now() + 10_000; performance.now() < endMs; await Bun.sleep(100)) {
    try {
      await fetch(`http://127.0.0.1:${PORT}/`);
    } catch {
      return true;
    }
  }
  return false;
}

try {
  const source = join(import.meta.dir, "bcryptprimitives.c");
  const compiled = await finished(
    world.spawn([MINGW, "-shared", "-o", LIBRARY, source, "-ladvapi32"]),
  );
  if (compiled.code !== 0) throw new Error(compiled.err);
  await world.done("gen", "owner_key");
  for (const version of ["1.0.0", "2.0.0", "3.0.0"]) await build(version);
  await build("4.0.0", "process.exit(7);");
  await build("5.0.0", "process.exit(9);");
  const bootstrap = await world.dht();
  await updates(bootstrap);
  await exitCodes(bootstrap);
  await rollback(bootstrap);
  await unsafe(bootstrap);
} finally {
  await finished(world.spawn(["wineserver", "-k"], { WINEPREFIX: world.path("prefix") }));
  await world.destroy();
}
process.exitCode = failures > 0 ? 1 : 0;
