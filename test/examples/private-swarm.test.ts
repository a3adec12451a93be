/** The example of a swarm of one's own, on machines of its own. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { withDirectory } from "../helpers/executable.ts";

const TIMEOUT_MS = 90_000;
const MACHINES = join(import.meta.dir, "../helpers/machines.sh");
const canHaveMachines =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  Bun.which("ip") !== null &&
  Bun.spawnSync(["unshare", "--mount", "--net", "true"]).exitCode === 0;
if (!canHaveMachines)
  console.log("no network namespaces here: the private swarm is not tried (root, iproute2)");

test.skipIf(!canHaveMachines)(
  "two copies on two machines find each other by a bootstrap node on a third, and the old one becomes the new one",
  () =>
    withDirectory((directory) => {
      const inside = [process.execPath, join(import.meta.dir, "private-swarm.ts"), directory];
      const { stdout, stderr } = Bun.spawnSync(
        ["unshare", "--mount", "--net", "sh", MACHINES, ...inside],
        {
          timeout: TIMEOUT_MS,
        },
      );
      expect([stdout.toString(), stderr.toString()]).toEqual([
        "private-swarm 1.0.0\nprivate-swarm 1.0.1\n",
        "",
      ]);
    }),
  TIMEOUT_MS,
);
