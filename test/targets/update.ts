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
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { checkTarget, TARGETS, type Target } from "../../src/core/target.ts";
import { says, STEP_TIMEOUT_MS, TargetsWorld, type Child } from "./world.ts";

const UPDATE_TIMEOUT_MS = 90_000;

const wanted: readonly Target[] =
  process.argv.length > 2
    ? process.argv.slice(2).map(checkTarget)
    : TARGETS.filter((target) => target.startsWith("linux-"));
if (wanted.length < 2) throw new Error("name two targets or more, or none for all of Linux");
const world = new TargetsWorld();

async function buildVersion(version: string): Promise<void> {
  world.app(
    `import "rustpatcher/auto";\nconsole.log("version ${version}");\nsetInterval(() => undefined, 1000);\n`,
  );
  const key = ["--sign", "--key-file", "owner_key"];
  const what = ["--app", "matrix", "--version", version, "--target", wanted.join(",")];
  await world.done("build", "app.ts", "--outfile", join(version, "app"), ...what, ...key);
}

async function update(target: Target, bootstrap: string): Promise<string> {
  // A directory of its own: each has a state file and a lock beside it.
  const home = world.path(target);
  mkdirSync(home, { mode: 0o755 });
  const path = join(home, "app");
  renameSync(world.path("1.0.0", `app-${target}`), path);
  let child: Child;
  try {
    child = world.spawn([path], { RUSTPATCHER_BOOTSTRAP: bootstrap, RUSTPATCHER_INTERVAL: "1" });
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
  await world.done("gen", "owner_key");
  for (const version of ["1.0.0", "2.0.0"]) await buildVersion(version);
  const address = await world.dht();
  const release = join("2.0.0", "release.json");
  const publisher = world.cli("publish", release, "--bootstrap", address);
  await says(publisher, /serving/, STEP_TIMEOUT_MS);
  for (const target of wanted) {
    const outcome = await update(target, address);
    isFailed ||= outcome.startsWith("FAILED");
    console.log(`${target.padEnd(26)}${outcome}`);
  }
} finally {
  await world.destroy();
}
process.exitCode = isFailed ? 1 : 0;
