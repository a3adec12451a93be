/** Three compiled apps of 110 MB: what happens is done by the app at the path itself. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import { signRecord } from "../../src/core/release-record.ts";
import { parseVersion } from "../../src/core/version.ts";
import { HELPER_VARIABLE } from "../../src/patcher/background.ts";
import { rehearse } from "../../src/update/rehearse.ts";
import { compileFixture } from "../helpers/executable.ts";
import { announcement } from "../helpers/install.ts";
import { startOf } from "./look.ts";
import { publish } from "./publisher.ts";
import { release, type FaultWorld, type Release } from "./scenario.ts";
import { Stage } from "./stage.ts";
import type { Fault } from "./strace.ts";

const ROOT = join(import.meta.dir, "../..");
const VERSIONS = ["1.0.0", "1.0.1", "1.0.2"] as const;
const FAILING = VERSIONS[1];
const SPACING_S = 60;
const WITHDRAWN_S = 90;
/** A hang is found out after two seconds, and tried again after two more. */
const HANG_ENV = { RUSTPATCHER_HANG_SECONDS: "1", RUSTPATCHER_DISABLE: "1" };
const HANG_TIMEOUT_MS = 10_000;
/** What a version does with its own file and directory when it is tried out, and only then. */
const IN_REHEARSAL = ["execve", "readlink", "newfstatat", "getcwd", "openat"];
const mayRefuse = ({ call, kind }: Fault): boolean =>
  IN_REHEARSAL.includes(call) && kind !== "SIGKILL";

/** An app that can update itself on the spot: `app install <file> [<record>]`. */
function appSource(version: string): string {
  const path = (file: string): string => JSON.stringify(join(ROOT, file));
  return `import { waitAt } from ${path("test/faults/gate.ts")};
import "rustpatcher/auto";
import { Version } from "rustpatcher";
import { rehearse } from ${path("src/update/rehearse.ts")};
import { install } from ${path("test/helpers/install.ts")};
const build = ${JSON.stringify(version)};
const [, , act = "start", next = "", announced] = process.argv;
if (act === "crash") process.exit(1);
if (act === "hang" && build === ${JSON.stringify(FAILING)}) {
  waitAt("late");
  for (;;);
}
if (act === "start" || act === "hang") console.log(String(Version.current()));
else {
  const code = await install({ path: process.execPath, next, act, announced, rehearse });
  if (code !== "") console.error(build, code);
  process.exit(code === "" ? 0 : 1);
}
`;
}

export async function realWorld(directory: string): Promise<FaultWorld> {
  mkdirSync(directory, { recursive: true });
  const seed = generateSeed();
  const startS = Math.floor(Date.now() / 1000) - 3_600;
  const made: Release[] = [];
  for (const [index, version] of VERSIONS.entries()) {
    const path = await compileFixture({
      directory,
      name: version,
      version,
      seed,
      source: appSource(version),
      settings: { mode: "background" },
      publishedS: startS + index * SPACING_S,
    });
    made.push(release(path));
  }
  const [one, two, three] = made;
  if (one === undefined || two === undefined || three === undefined) throw new Error("no releases");
  const announced = join(directory, "withdrawal");
  const { record } = one.executable.record;
  const x = { ...record.x, withdrawn: parseVersion(FAILING) };
  const withdrawal = signRecord(seed, { ...record, publishedS: startS + WITHDRAWN_S, x });
  writeFileSync(announced, announcement(withdrawal));

  const { bootstrap, end } = await publish(two.path);
  const releases = { one, two, three };
  return {
    releases,
    stage: () => new Stage(releases, rehearse),
    end,
    scenarios: [
      {
        name: "install",
        scene: "one",
        program: ({ path }) => ({ argv: [path, "install", two.path] }),
        becomes: "two",
        mayRefuse,
      },
      {
        name: "start on probation",
        scene: "on probation",
        program: ({ path }) => ({ argv: [path] }),
      },
      {
        name: "go back at start",
        scene: "failed",
        program: ({ path }) => ({ argv: [path, "crash"] }),
        becomes: "one",
        refusesTwo: true,
      },
      {
        name: "watchdog",
        scene: "on probation",
        program: ({ path }) => ({
          argv: [path, "hang"],
          env: HANG_ENV,
          gate: "late",
          timeoutMs: HANG_TIMEOUT_MS,
        }),
        becomes: "one",
        refusesTwo: true,
        // Nothing could be put back, and nobody has ended it.
        mayHang: ({ lasts }) => lasts,
      },
      {
        name: "roll back",
        scene: "two",
        program: ({ path }) => ({ argv: [path, "rollback", two.path] }),
        becomes: "one",
      },
      {
        name: "withdrawn, by the copy",
        scene: "two",
        program: ({ path }) => ({ argv: [path, "install", one.path, announced] }),
        becomes: "one",
      },
      {
        name: "background, at exit",
        scene: "one",
        program: ({ path }) => ({
          argv: [path],
          env: { RUSTPATCHER_BOOTSTRAP: bootstrap, RUSTPATCHER_UPLOAD: "off" },
          gate: "early",
        }),
        becomes: "two",
        mayRefuse,
      },
      {
        name: "background helper",
        scene: "one",
        program: ({ path }) => ({
          argv: [path, "helper"],
          env: { [HELPER_VARIABLE]: JSON.stringify(startOf(path, bootstrap)) },
          gate: "early",
        }),
        becomes: "two",
        mayRefuse,
      },
    ],
  };
}
