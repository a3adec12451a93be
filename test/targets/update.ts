/**
 * Every Linux target that this machine can start, from version 1 to version 2, in one command:
 *
 *   bun test/targets/update.ts [target target…]
 *
 * One build of all targets, one key, one `publish release.json`; each version 1 is started by itself and
 * has to become version 2. arm64 runs where the kernel hands its executables to qemu (Debian: qemu-user,
 * qemu-user-binfmt, libc6:arm64), musl where its loader, 1.2.4 or later, and its libstdc++ and libgcc_s are installed. What
 * cannot be started here is said so. Prints the table of README.md and ends with 1 when an update failed.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkTarget, TARGETS, type Target } from "../../src/core/target.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const STEP_TIMEOUT_MS = 120_000;
const UPDATE_TIMEOUT_MS = 90_000;

const wanted: readonly Target[] =
  process.argv.length > 2
    ? process.argv.slice(2).map(checkTarget)
    : TARGETS.filter((target) => target.startsWith("linux-"));
if (wanted.length < 2) throw new Error("name two targets or more, or none for all of Linux");
const directory = mkdtempSync(join(tmpdir(), "rustpatcher-update-"));
const children: Bun.Subprocess[] = [];

function spawn(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn([...command], {
    cwd: directory,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: process.env["HOME"] ?? "",
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: STEP_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  children.push(child);
  return child;
}

const cli = (...args: string[]) => spawn([process.execPath, MAIN, ...args]);

async function done(...args: string[]): Promise<string> {
  const child = cli(...args);
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`rustpatcher ${args.join(" ")}: ${err}`);
  return out;
}

/** Resolves with everything said so far as soon as it matches; undefined when that never happens. */
async function says(
  child: ReturnType<typeof spawn>,
  pattern: RegExp,
  timeoutMs: number,
): Promise<RegExpExecArray | undefined> {
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  try {
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of child.stdout) {
      text += decoder.decode(bytes, { stream: true });
      const match = pattern.exec(text);
      if (match !== null) return match;
    }
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

async function buildVersion(version: string): Promise<void> {
  writeFileSync(
    join(directory, "app.ts"),
    `import "rustpatcher/auto";\nconsole.log("version ${version}");\nsetInterval(() => undefined, 1000);\n`,
  );
  const key = ["--sign", "--key-file", "owner_key"];
  const what = ["--app", "matrix", "--version", version, "--target", wanted.join(",")];
  await done("build", "app.ts", "--outfile", join(version, "app"), ...what, ...key);
}

async function update(target: Target, bootstrap: string): Promise<string> {
  // A directory of its own: each has a state file and a lock beside it.
  const home = join(directory, target);
  mkdirSync(home, { mode: 0o755 });
  const path = join(home, "app");
  renameSync(join(directory, "1.0.0", `app-${target}`), path);
  let child: ReturnType<typeof spawn>;
  try {
    child = spawn([path], { RUSTPATCHER_BOOTSTRAP: bootstrap, RUSTPATCHER_INTERVAL: "1" });
  } catch {
    return "cannot be started here";
  }
  const startMs = performance.now();
  const match = await says(child, /version 2\.0\.0/, UPDATE_TIMEOUT_MS);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  child.kill("SIGKILL");
  await child.exited;
  if (match !== undefined) return `updated itself in ${seconds} s`;
  const why = (await child.stderr.text()).trim().split("\n").at(-1) ?? "";
  const isStartable = seconds > "1" && child.signalCode === "SIGKILL";
  return isStartable ? `FAILED: ${why}` : `cannot be started here (${why || child.signalCode})`;
}

let isFailed = false;
try {
  await done("gen", "owner_key");
  for (const version of ["1.0.0", "2.0.0"]) await buildVersion(version);
  const dht = cli("dht", "--port", "0");
  const address = (await says(dht, /^127\.0\.0\.1:[0-9]+/m, STEP_TIMEOUT_MS))?.[0];
  if (address === undefined) throw new Error("no bootstrap node");
  const release = join("2.0.0", "release.json");
  const publisher = cli("publish", release, "--bootstrap", address);
  await says(publisher, /serving/, STEP_TIMEOUT_MS);
  for (const target of wanted) {
    const outcome = await update(target, address);
    isFailed ||= outcome.startsWith("FAILED");
    console.log(`${target.padEnd(26)}${outcome}`);
  }
} finally {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.exited));
  rmSync(directory, { recursive: true, force: true });
}
process.exitCode = isFailed ? 1 : 0;
