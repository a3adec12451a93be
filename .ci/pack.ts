/**
 * Makes dist/, which is all that the package consists of: the scripts that apps carry, the command line,
 * the build API, the blank region, and type declarations. Runs after `bun install` in a checkout, so that
 * `bunx rustpatcher` and `import "rustpatcher/auto"` work in it, and before `bun pm pack`.
 */
import { chmodSync, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundleScripts, RUNTIME_ENTRIES, TOOL_ENTRIES } from "../src/release/runtime-bundle.ts";

const ROOT = join(import.meta.dir, "..");
const DIST = join(ROOT, "dist");
const TSC_TIMEOUT_MS = 120_000;

rmSync(DIST, { recursive: true, force: true });
await bundleScripts({ ...RUNTIME_ENTRIES, ...TOOL_ENTRIES }, DIST);
chmodSync(join(DIST, "cli.js"), 0o755);

await writeHyperDHTTypes();

const tsc = Bun.spawn(
  [process.execPath, join(ROOT, "node_modules/.bin/tsc"), "-p", ".ci/tsconfig.types.json"],
  { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], timeout: TSC_TIMEOUT_MS },
);
process.exitCode = await tsc.exited;

/**
 * The types of rustpatcher/hyperdht. In the checkout they are an ambient module under HyperDHT's own name, which
 * nobody else has installed; here they become a module of their own, with streamx's types beside it.
 */
async function writeHyperDHTTypes(): Promise<void> {
  const directory = join(DIST, "types/hyperdht");
  mkdirSync(directory, { recursive: true });
  const ambient = await Bun.file(join(ROOT, "src/swarm/hyperdht.d.ts")).text();
  const [, body] = /^declare module "@hyperswarm\/dht" \{\n(.*?)^\}$/ms.exec(ambient) ?? [];
  if (body === undefined || !body.includes(`"streamx"`)) {
    throw new Error("src/swarm/hyperdht.d.ts has another form than the pack step expects");
  }
  const types = body.replaceAll(/^ {2}/gm, "").replace(`"streamx"`, `"./streamx/index.js"`);
  await Bun.write(
    join(directory, "index.d.ts"),
    `${types.replace("export default class", "export class")}export default HyperDHT;\n`,
  );
  const streamx = join(ROOT, "node_modules/streamx");
  mkdirSync(join(directory, "streamx"));
  for (const file of ["index.d.ts", "runtime.d.ts"]) {
    copyFileSync(join(streamx, file), join(directory, "streamx", file));
  }
}
