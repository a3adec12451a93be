/**
 * examples/private-swarm on three machines (network namespaces): a bootstrap node on the first, a copy of the old version on
 * the second, one of the new on the third. Run under test/helpers/machines.sh. Prints what the old copy says until it is new.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const CLI = join(ROOT, "src/cli/main.ts");
const EXAMPLE = join(ROOT, "examples/private-swarm");
const TIMEOUT_MS = 60_000;
const [, , directory = ""] = process.argv;
const NEW = "1.0.1";

const cli = (...args: string[]): string[] => [process.execPath, CLI, ...args];
const on = (machine: string, argv: readonly string[]): string[] => [
  "ip",
  "netns",
  "exec",
  machine,
  ...argv,
];
const running: Bun.Subprocess<"ignore", "pipe", "inherit">[] = [];

function start(argv: readonly string[]): Bun.Subprocess<"ignore", "pipe", "inherit"> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: process.env["HOME"] ?? "",
    RUSTPATCHER_LOG: "silent",
  };
  const child = Bun.spawn([...argv], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "inherit"],
    timeout: TIMEOUT_MS,
  });
  running.push(child);
  return child;
}

async function build(version: string, machine: string): Promise<string> {
  const project = join(directory, `source-${version}`);
  cpSync(EXAMPLE, project, { recursive: true });
  const manifest = join(project, "package.json");
  writeFileSync(manifest, readFileSync(manifest, "utf8").replace('"1.0.0"', `"${version}"`));
  mkdirSync(join(directory, machine), { mode: 0o755 });
  const path = join(directory, machine, "private-swarm");
  const entry = join(project, "main.ts");
  const child = start(
    cli("build", entry, "--outfile", path, "--sign", "--key-file", join(directory, "owner_key")),
  );
  if ((await child.exited) !== 0) throw new Error(`${version} was not built`);
  return path;
}

await start(cli("gen", join(directory, "owner_key"))).exited;
const old = await build("1.0.0", "machine-b");
const next = await build(NEW, "machine-c");
const node = start(cli("dht", "--host", "99.0.0.1"));
for await (const piece of node.stdout)
  if (new TextDecoder().decode(piece).includes("99.0.0.1:49737")) break;
const copy = start(on("machine-b", [old]));
start(on("machine-c", [next]));
for await (const piece of copy.stdout) {
  const text = new TextDecoder().decode(piece);
  process.stdout.write(text);
  if (text.includes(NEW)) break;
}
for (const child of running) child.kill("SIGKILL");
process.exit();
