/**
 * Runs the test suite of udx-native, dht-rpc, hyperdht or @hyperswarm/secret-stream over our transport, from a checkout of
 * its repository:
 *
 *   bun test/upstream/run.ts <checkout> [--native] [test/file.js …]
 *
 * The checkout is copied and its dependencies are installed from npm into the copy; nothing of it is changed, and
 * nothing of it is part of this repository. Every file runs in a process of its own, inside a network namespace
 * that has loopback and nothing else, so that no test can reach the public network whatever its options are.
 * `--native` runs them with Node and the original packages instead: what fails there as well is not ours.
 * Needs Linux; without root, user namespaces. Exits 1 when a file does not pass.
 */
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

/** Those whose tests load the checkout itself: what we have instead, and which file of it that is. */
const REPLACEMENTS: Readonly<Record<string, { readonly ours: string; readonly file: string }>> = {
  "udx-native": {
    ours: join(import.meta.dir, "../../embed/alias/udx-native.cts"),
    file: "lib/udx.js",
  },
  "@hyperswarm/secret-stream": {
    ours: join(import.meta.dir, "../../embed/alias/secret-stream.cts"),
    file: "index.js",
  },
};
const PRELOAD = join(import.meta.dir, "preload.ts");
const FILE_TIMEOUT_MS = 300_000;
/** What the suites count on: loopback, a name for its IPv6 address, and a process that dies with us. */
const ENTER = [
  "ip link set lo up",
  "mount --bind ./hosts.loopback /etc/hosts",
  'exec setpriv --pdeathsig KILL -- "$@"',
].join(" && ");
const HOSTS = "127.0.0.1 localhost\n::1 localhost\n";

interface Manifest {
  readonly name: string;
  readonly version: string;
}

interface Outcome {
  readonly file: string;
  readonly passed: number;
  readonly total: number;
  /** Names of tests that failed, or what ended the process. */
  readonly problems: readonly string[];
}

async function run(
  cwd: string,
  command: readonly string[],
): Promise<{ exitCode: number; output: string }> {
  const child = Bun.spawn([...command], {
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: FILE_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, output: `${stdout}\n${stderr}` };
}

/** A copy with its dependencies installed. The caller removes it. */
async function prepare(
  checkout: string,
  native: boolean,
): Promise<{ root: string; manifest: Manifest }> {
  const root = await mkdtemp(join(tmpdir(), "rustpatcher-upstream-"));
  const skipped = new Set([".git", "node_modules"]);
  await cp(checkout, root, { recursive: true, filter: (path) => !skipped.has(basename(path)) });
  const installed = await run(root, [process.execPath, "install", "--ignore-scripts"]);
  if (installed.exitCode !== 0) throw new Error(`dependencies: ${installed.output}`);
  await writeFile(join(root, "hosts.loopback"), HOSTS);
  const manifest = (await Bun.file(join(root, "package.json")).json()) as Manifest;
  const replacement = REPLACEMENTS[manifest.name];
  if (replacement !== undefined) {
    // A checkout has no binary, so the original comes from npm too.
    const target = native ? Bun.resolveSync(manifest.name, import.meta.dir) : replacement.ours;
    await writeFile(
      join(root, replacement.file),
      `module.exports = require(${JSON.stringify(target)});\n`,
    );
  }
  return { root, manifest };
}

async function testFiles(root: string): Promise<string[]> {
  const inFolder = await readdir(join(root, "test")).catch(() => []);
  const files = inFolder.filter((name) => name.endsWith(".js") && name !== "all.js");
  return files.length > 0 ? files.sort().map((name) => `test/${name}`) : ["test.js"];
}

async function runFile(root: string, file: string, native: boolean): Promise<Outcome> {
  const runtime = native ? ["node"] : [process.execPath, "--preload", PRELOAD];
  const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const { exitCode, output } = await run(root, [
    "unshare",
    ...asRoot,
    "--net",
    "--mount",
    "sh",
    "-c",
    ENTER,
    "sh",
    ...runtime,
    file,
  ]);
  const results = [...output.matchAll(/^(ok|not ok) \d+ - (.*?)(?: # (SKIP|time).*)?$/gm)];
  const ran = results.filter(([, , , mark]) => mark !== "SKIP");
  const problems = ran.filter(([, status]) => status === "not ok").map(([, , name = ""]) => name);
  const passed = ran.length - problems.length;
  if (exitCode !== 0 && problems.length === 0) {
    const [, started] = [...output.matchAll(/^# (?!tests|asserts|time)(.*)$/gm)].at(-1) ?? [];
    const [error] = /^\w*(?:error|Error|Exception): .*$/m.exec(output) ?? [];
    problems.push(`${started ?? file}: ${error ?? `exit code ${exitCode}`}`);
  }
  return { file, passed, total: passed + problems.length, problems };
}

const native = process.argv.includes("--native");
const [checkout, ...chosen] = process.argv.slice(2).filter((argument) => argument !== "--native");
if (checkout === undefined) {
  console.error("usage: bun test/upstream/run.ts <checkout> [--native] [test/file.js …]");
  process.exit(2);
}
const { root, manifest } = await prepare(resolve(checkout), native);
let failures = 0;
try {
  const over = native ? "Node and the original packages" : `Bun ${Bun.version} and our transport`;
  console.log(`${manifest.name} ${manifest.version}, its own tests over ${over}`);
  for (const file of chosen.length > 0 ? chosen : await testFiles(root)) {
    const { passed, total, problems } = await runFile(root, file, native);
    console.log(`${problems.length === 0 ? "ok  " : "FAIL"} ${file}: ${passed} of ${total}`);
    for (const problem of problems) console.log(`       ${problem}`);
    failures += problems.length;
  }
} finally {
  await rm(root, { recursive: true, force: true });
}
process.exit(failures === 0 ? 0 : 1);
