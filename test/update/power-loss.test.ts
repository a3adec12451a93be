/** The power fails at any moment of an installation (attack F11): what the disk may hold then. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { callsOf, hasStrace } from "../faults/strace.ts";
import { crashes, type Disk, type Operation } from "../helpers/crash-model.ts";
import { TwoVersions } from "../helpers/two-versions.ts";

const INSTALL_ONCE = join(import.meta.dir, "../helpers/install-once.ts");
const OLD = 0;
const TIMEOUT_MS = 30_000;

interface Recorded {
  readonly operations: readonly Operation[];
  readonly directory: string;
}

/** The operations of one installation, in the order in which they were made. */
async function recorded(): Promise<Recorded> {
  const two = new TwoVersions();
  try {
    const { path, directory } = two.app;
    const argv = [process.execPath, INSTALL_ONCE, path, two.next] as const;
    const operations = (await callsOf({ argv }, directory)).flatMap(({ call, rest }) =>
      operationsOf(call, rest, directory),
    );
    expect(two.version).toBe("new");
    return { operations, directory };
  } finally {
    two.remove();
  }
}

function operationsOf(call: string, rest: string, directory: string): Operation[] {
  const paths = [...rest.matchAll(/[<"](\/[^>"]+)[>"]/g)].map(([, path = ""]) => path);
  const [path = "", to = ""] = paths.filter((one) => one.startsWith(directory));
  switch (call) {
    case "openat":
      return rest.includes("O_CREAT|O_EXCL") || /O_EXCL.*O_CREAT|O_CREAT.*O_EXCL/.test(rest)
        ? [{ op: "create", path }]
        : [];
    case "pwrite64":
    case "write":
    case "ftruncate":
    case "fchmod":
    case "fsetxattr":
      return [{ op: "write", path }];
    case "fsync":
    case "fdatasync":
      return [{ op: "fsync", path }];
    case "unlink":
      return [{ op: "unlink", path }];
    case "rename":
    case "link":
      return [{ op: call, path, to }];
    default:
      return [];
  }
}

/** What must never be: undefined when this disk is as promised. */
function broken({ names, incomplete }: Disk, directory: string): string | undefined {
  const beside = (what: string): number | undefined =>
    names.get(join(directory, `.app.rustpatcher-${what}`));
  const app = names.get(join(directory, "app"));
  if (app === undefined) return "there is no executable";
  if (app === OLD) return undefined;
  if (incomplete.has(app)) return "the executable is not all there";
  const pending = beside("pending");
  if (pending === undefined || incomplete.has(pending)) return "it is not on probation";
  return beside("previous") === OLD ? undefined : "there is no way back";
}

function firstBroken({ operations, directory }: Recorded): string | undefined {
  for (const disk of crashes(operations, directory, [join(directory, "app")])) {
    const found = broken(disk, directory);
    if (found !== undefined) return found;
  }
  return undefined;
}

describe.skipIf(!hasStrace)("after a power failure", () => {
  test(
    "there is the old version, or the new one with everything that belongs to it (F11)",
    async () => {
      const { operations, directory } = await recorded();
      expect(firstBroken({ operations, directory })).toBeUndefined();
      // Every sync of what an executable depends on is needed: without any one of them something breaks.
      const at = operations.findLastIndex(({ op }) => op === "rename");
      const syncs = operations.entries().filter(([index, { op }]) => op === "fsync" && index < at);
      const needed = [...syncs].filter(
        ([index]) =>
          firstBroken({ operations: operations.toSpliced(index, 1), directory }) !== undefined,
      );
      // The executable, the pending file, and what leads to both.
      expect(needed.map(([, { path }]) => path === directory)).toEqual([false, false, true]);
    },
    TIMEOUT_MS,
  );
});
