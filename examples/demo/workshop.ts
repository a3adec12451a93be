/** What the owner does before a release: a key, two versions of examples/hello, both signed. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..");
const COMMAND_TIMEOUT_MS = 120_000;

/** Runs this checkout's command line; its stdout. Rejects with what it said when it refuses. */
async function rustpatcher(...args: readonly string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, join(ROOT, "src/cli/main.ts"), ...args], {
    cwd: ROOT,
    stdout: "pipe",
    stderr: "pipe",
    timeout: COMMAND_TIMEOUT_MS,
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (exitCode !== 0) throw new Error(`rustpatcher ${args[0] ?? ""}: ${stderr.trim()}`);
  return stdout;
}

/** Path and public key of a new owner key in `directory`. */
export async function makeKey(directory: string): Promise<{ path: string; publicKey: string }> {
  const path = join(directory, "owner_key");
  const answer: unknown = JSON.parse(await rustpatcher("gen", path, "--json"));
  const publicKey: unknown = Reflect.get(Object(answer), "publicKey");
  return { path, publicKey: String(publicKey) };
}

/** Builds and signs examples/hello as `version` with `greeting`; the path of the executable. */
export async function buildHello(
  directory: string,
  version: string,
  greeting: string,
  key: { readonly path: string },
): Promise<string> {
  const project = join(directory, `source-${version}`);
  await mkdir(project);
  await cp(join(ROOT, "examples/hello"), project, { recursive: true });
  await edit(join(project, "package.json"), /"version": "[^"]*"/, `"version": "${version}"`);
  await edit(join(project, "main.ts"), /hello from/, greeting);
  const path = join(directory, `hello-${version}`);
  const entry = join(project, "main.ts");
  await rustpatcher("build", entry, "--outfile", path, "--sign", "--key-file", key.path);
  return path;
}

async function edit(path: string, pattern: RegExp, replacement: string): Promise<void> {
  const text = await readFile(path, "utf8");
  if (!pattern.test(text)) throw new Error(`${path} has no ${pattern.source}`);
  await writeFile(path, text.replace(pattern, replacement));
}
