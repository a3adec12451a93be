/** An app that may use no more memory than its executable is large (attack I1). */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { digestOf } from "../helpers/installed.ts";

const TIMEOUT_MS = 60_000;
const LIMIT_BYTES = 128 * 1024 * 1024;
/** Version 1 of control groups has a tree for memory, version 2 one tree for all. */
const V1 = "/sys/fs/cgroup/memory";
const V2 = "/sys/fs/cgroup";
const isV1 = existsSync(join(V1, "memory.limit_in_bytes"));
const group = join(isV1 ? V1 : V2, `rustpatcher-test-${process.pid}`);
const canLimit = makeGroup();
if (!canLimit) console.log("skipped, because no control group can be made here");

const { world } = setUpE2e();
afterAll(() => {
  if (canLimit) rmdirSync(group);
});

function makeGroup(): boolean {
  try {
    mkdirSync(group);
    writeFileSync(join(group, isV1 ? "memory.limit_in_bytes" : "memory.max"), `${LIMIT_BYTES}`);
    return true;
  } catch {
    if (existsSync(group)) rmdirSync(group);
    return false;
  }
}

test.skipIf(!canLimit)(
  "updates itself within 128 MiB, page cache and all (I1)",
  async () => {
    const next = await world.release({ version: "1.0.1", build: "two" });
    const path = await world.release({ version: "1.0.0" });
    await world.run(next);
    const app = await world.run("/bin/sh", {
      args: ["-c", `echo $$ > "$1" && exec "$0"`, path, join(group, "cgroup.procs")],
    });
    expect(readFileSync(join(group, "cgroup.procs"), "utf8").split("\n")).toContain(`${app.pid}`);
    expect(await app.event("start", 2)).toMatchObject({ version: "1.0.1", pid: app.pid });
    expect(digestOf(path)).toBe(digestOf(next));
    const events = isV1 ? "memory.oom_control" : "memory.events";
    expect(readFileSync(join(group, events), "utf8")).toMatch(/^oom_kill 0$/m);
  },
  TIMEOUT_MS,
);
