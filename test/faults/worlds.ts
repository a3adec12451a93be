/** Three versions to inject faults between: made-up executables of 128 KiB, or compiled apps of 110 MB. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import { rehearse } from "../../src/update/rehearse.ts";
import { compileFixture } from "../helpers/executable.ts";
import { ELF_HEADER, makeRelease } from "../helpers/release.ts";
import { release, Stage, type Releases, type Scene } from "./stage.ts";
import type { Command } from "./strace.ts";

const ROOT = join(import.meta.dir, "../..");
const VERSIONS = ["1.0.0", "1.0.1", "1.0.2"] as const;
const SPACING_S = 60;

export interface Scenario {
  readonly name: string;
  readonly scene: Scene;
  readonly command: (stage: Stage) => Command;
}

export interface FaultWorld {
  readonly releases: Releases;
  readonly scenarios: readonly Scenario[];
  readonly stage: () => Stage;
}

/** An app that can update itself on the spot: `app install <file>`. */
function appSource(version: string): string {
  return `import "rustpatcher/auto";
import { Version } from "rustpatcher";
import { rehearse } from ${JSON.stringify(join(ROOT, "src/update/rehearse.ts"))};
import { install } from ${JSON.stringify(join(ROOT, "test/helpers/install.ts"))};
const build = ${JSON.stringify(version)};
const [, , act = "start", next = ""] = process.argv;
if (act === "start") console.log(String(Version.current()));
else if (act === "crash") process.exit(1);
else {
  const code = await install({ path: process.execPath, next, act, rehearse });
  if (code !== "") console.error(build, code);
  process.exit(code === "" ? 0 : 1);
}
`;
}

/** Nothing in it can be started, so nothing is: installation and way back, as the updater takes them. */
export async function smallWorld(directory: string): Promise<FaultWorld> {
  mkdirSync(directory, { recursive: true });
  const seed = generateSeed();
  const startS = Math.floor(Date.now() / 1000) - 3_600;
  const [one, two, three] = VERSIONS.map((version, index) => {
    const made = { version, head: ELF_HEADER, blocks: 2, salt: index + 1 };
    const { file } = makeRelease(seed, { ...made, publishedS: startS + index * SPACING_S });
    const path = join(directory, version);
    writeFileSync(path, file);
    return release(path);
  });
  if (one === undefined || two === undefined || three === undefined) throw new Error("no releases");
  const bundle = await Bun.build({
    entrypoints: [join(ROOT, "test/helpers/install-once.ts")],
    target: "bun",
    outdir: directory,
  });
  const script = bundle.outputs[0]?.path ?? "";
  const command =
    (act: string) =>
    (stage: Stage): Command => [process.execPath, script, stage.path, two.path, act];
  const releases = { one, two, three };
  return {
    releases,
    stage: () => new Stage(releases, undefined),
    scenarios: [
      { name: "install", scene: "one", command: command("install") },
      { name: "roll back", scene: "two", command: command("rollback") },
      { name: "cannot be started", scene: "one", command: command("unstartable") },
      { name: "note a failure", scene: "back", command: command("start") },
    ],
  };
}

/** Real apps: what happens is done by the app at the path itself, and afterwards it is started. */
export async function realWorld(directory: string): Promise<FaultWorld> {
  mkdirSync(directory, { recursive: true });
  const seed = generateSeed();
  const startS = Math.floor(Date.now() / 1000) - 3_600;
  const made: ReturnType<typeof release>[] = [];
  for (const [index, version] of VERSIONS.entries()) {
    const path = await compileFixture({
      directory,
      name: version,
      version,
      seed,
      source: appSource(version),
      publishedS: startS + index * SPACING_S,
    });
    made.push(release(path));
  }
  const [one, two, three] = made;
  if (one === undefined || two === undefined || three === undefined) throw new Error("no releases");
  const releases = { one, two, three };
  return {
    releases,
    stage: () => new Stage(releases, rehearse),
    scenarios: [
      { name: "install", scene: "one", command: ({ path }) => [path, "install", two.path] },
      { name: "start on probation", scene: "on probation", command: ({ path }) => [path] },
      { name: "go back at start", scene: "failed", command: ({ path }) => [path, "crash"] },
    ],
  };
}
