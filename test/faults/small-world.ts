/** Three made-up executables of 128 KiB. Nothing in them can be started, so nothing is. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aliasPlugin } from "../../embed/alias/plugin.ts";
import { generateSeed } from "../../src/core/keys.ts";
import { parseVersion } from "../../src/core/version.ts";
import { signRecord } from "../../src/core/release-record.ts";
import { announcement } from "../helpers/install.ts";
import { ELF_HEADER, makeRelease } from "../helpers/release.ts";
import type { Program } from "./program.ts";
import { publish } from "./publisher.ts";
import { release, type FaultWorld } from "./scenario.ts";
import { Stage } from "./stage.ts";

const ROOT = join(import.meta.dir, "../..");
const VERSIONS = ["1.0.0", "1.0.1", "1.0.2"] as const;
const SPACING_S = 60;
const WITHDRAWN_S = 90;

/** Installation and ways back, as the updater takes them, and as the helper of the background mode does. */
export async function smallWorld(directory: string): Promise<FaultWorld> {
  mkdirSync(directory, { recursive: true });
  const seed = generateSeed();
  const startS = Math.floor(Date.now() / 1000) - 3_600;
  const [one, two, three] = VERSIONS.map((version, index) => {
    const made = { version, head: ELF_HEADER, blocks: 2, salt: index + 1, isPinned: true };
    const { file } = makeRelease(seed, { ...made, publishedS: startS + index * SPACING_S });
    const path = join(directory, version);
    writeFileSync(path, file);
    return release(path);
  });
  if (one === undefined || two === undefined || three === undefined) throw new Error("no releases");
  const announced = join(directory, "withdrawal");
  const { record } = one.executable.record;
  const x = { ...record.x, withdrawn: parseVersion(VERSIONS[1]) };
  const withdrawal = signRecord(seed, { ...record, publishedS: startS + WITHDRAWN_S, x });
  writeFileSync(announced, announcement(withdrawal));

  const once = await script("test/helpers/install-once.ts", directory);
  const look = await script("test/faults/look-once.ts", directory);
  const publisher = await publish(two.path);
  const act =
    (name: string) =>
    (stage: Stage): Program => ({ argv: [process.execPath, once, stage.path, two.path, name] });
  const withdraw = (stage: Stage): Program => ({
    argv: [process.execPath, once, stage.path, one.path, "install", announced],
  });
  const releases = { one, two, three };
  return {
    releases,
    stage: () => new Stage(releases, undefined),
    end: publisher.end,
    scenarios: [
      { name: "install", scene: "one", program: act("install"), becomes: "two" },
      { name: "roll back", scene: "two", program: act("rollback"), becomes: "one" },
      { name: "cannot be started", scene: "one", program: act("unstartable") },
      { name: "note a failure", scene: "back", program: act("start"), refusesTwo: true },
      { name: "withdrawn, by the copy", scene: "two", program: withdraw, becomes: "one" },
      { name: "withdrawn, fetched", scene: "only two", program: withdraw, becomes: "one" },
      {
        name: "background helper",
        scene: "one",
        program: ({ path }) => ({
          argv: [process.execPath, look, path, publisher.bootstrap],
          gate: "early",
        }),
        becomes: "two",
      },
    ],
  };
}

/** Bundled, so that few files are read before it begins. */
async function script(entry: string, outdir: string): Promise<string> {
  const bundle = await Bun.build({
    entrypoints: [join(ROOT, entry)],
    target: "bun",
    outdir,
    plugins: [
      aliasPlugin(),
      {
        name: "no rehearsal",
        setup: (build) => {
          build.onResolve({ filter: /\/rehearse\.ts$/ }, () => ({
            path: join(import.meta.dir, "no-rehearsal.ts"),
          }));
        },
      },
    ],
  });
  const path = bundle.outputs[0]?.path;
  if (path === undefined) throw new Error(`${entry} cannot be bundled`);
  return path;
}
