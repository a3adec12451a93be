/**
 * Makes dist/, which is all that the package consists of: the scripts that apps carry, the command line,
 * the build API, the blank region, type declarations, and the licences of what is bundled. Runs after
 * `bun install` in a checkout, so that `bunx rustpatcher` and `import "rustpatcher/auto"` work in it, and
 * before `bun pm pack`.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  bundleScripts,
  bundleTools,
  NETWORK_ENTRIES,
  RUNTIME_ENTRIES,
  TOOL_ENTRIES,
} from "../src/release/runtime-bundle.ts";
import { bundledPackages, noticesText } from "./notices.ts";
import { keepReachableTypes } from "./package-types.ts";

const ROOT = join(import.meta.dir, "..");
const DIST = join(ROOT, "dist");
const TSC_TIMEOUT_MS = 120_000;

// Beside dist/, which is there until the new one is: other programs may be running from it.
const draft = mkdtempSync(join(ROOT, ".dist-"));
try {
  const inputs = [
    ...(await bundleScripts({ ...RUNTIME_ENTRIES, ...NETWORK_ENTRIES }, draft)),
    ...(await bundleTools(TOOL_ENTRIES, draft)),
  ];
  chmodSync(join(draft, "cli.js"), 0o755);
  await writeTypes(join(draft, "types"));
  // Its types are copied, whether or not its code is bundled.
  const notices = noticesText(
    bundledPackages([...inputs, join(ROOT, "node_modules/streamx/index.d.ts")]),
  );
  await Bun.write(join(draft, "THIRD-PARTY-NOTICES.txt"), notices);
  chmodSync(draft, 0o755);
  rmSync(DIST, { recursive: true, force: true });
  renameSync(draft, DIST);
} finally {
  rmSync(draft, { recursive: true, force: true });
}

async function writeTypes(directory: string): Promise<void> {
  const tsc = Bun.spawn(
    [
      process.execPath,
      join(ROOT, "node_modules/.bin/tsc"),
      "-p",
      ".ci/tsconfig.types.json",
      "--outDir",
      directory,
    ],
    { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], timeout: TSC_TIMEOUT_MS },
  );
  if ((await tsc.exited) !== 0) throw new Error("tsc wrote no declarations");
  await keepReachableTypes(directory, ["src/index.d.ts", "src/build.d.ts", "embed/auto.d.ts"]);
  await writeHyperDHTTypes(join(directory, "hyperdht"));
}

/**
 * The types of rustpatcher/hyperdht. In the checkout they are an ambient module under HyperDHT's own name, which
 * nobody else has installed; here they become a module of their own, with streamx's types beside it.
 */
async function writeHyperDHTTypes(directory: string): Promise<void> {
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
  copyFileSync(join(streamx, "runtime.d.ts"), join(directory, "streamx/runtime.d.ts"));
  const streams = await Bun.file(join(streamx, "index.d.ts")).text();
  // Without an extension, only bundlers resolve it.
  await Bun.write(
    join(directory, "streamx/index.d.ts"),
    streams.replace("'./runtime'", "'./runtime.js'"),
  );
}
