/**
 * Places where an update cannot be installed, or barely: full, read-only, immutable, mounted in pieces
 * (attacks F1, F2, F3). Each is made in a mount namespace that ends with its test.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { checkDiskSpace, spareBytes } from "../../src/update/disk-space.ts";
import { codeOf } from "../helpers/installed.ts";
import { TwoVersions } from "../helpers/two-versions.ts";

const INSTALL_ONCE = join(import.meta.dir, "../helpers/install-once.ts");
const RUN_TIMEOUT_MS = 30_000;
const NOBODY = "65534";
/** Mounting needs root, or a machine that lets everybody have namespaces of their own; only root is tried. */
const canMount =
  process.geteuid?.() === 0 && Bun.spawnSync(["unshare", "-m", "true"]).exitCode === 0;
let two: TwoVersions;

beforeEach(() => {
  two = new TwoVersions();
});
afterEach(() => two.remove());

interface Outcome {
  /** "" or the code of what went wrong. */
  readonly code: string;
  /** Of the executable, as it is seen in the namespace. */
  readonly version: string | undefined;
  /** Names there, but for the lock and what is remembered. */
  readonly names: readonly string[];
}

/** `place` mounts what it likes at $PLACE, an empty directory, and puts a copy of $APP there as app. */
async function installAt(place: string, user = ""): Promise<Outcome> {
  const script = `set -e
mount --make-rprivate /
mkdir $ELSEWHERE/place
PLACE=$ELSEWHERE/place
${place}
${user === "" ? "" : `chmod 755 $ELSEWHERE`}
code=$(${user} ${process.execPath} ${INSTALL_ONCE} $PLACE/app $NEXT 2>&1) || true
echo "$code" > $ELSEWHERE/code
sha256sum $PLACE/app | cut -d' ' -f1 > $ELSEWHERE/digest
ls -A $PLACE > $ELSEWHERE/names
chattr -i $PLACE/app $PLACE 2>/dev/null || true
`;
  const child = Bun.spawn(["unshare", "-m", "sh", "-c", script], {
    env: {
      PATH: process.env["PATH"] ?? "",
      APP: two.app.path,
      NEXT: two.next,
      ELSEWHERE: two.elsewhere,
    },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: RUN_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const complaint = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`the place cannot be made: ${complaint}`);
  const said = (name: string): string => readFileSync(join(two.elsewhere, name), "utf8").trim();
  return {
    code: said("code"),
    version: two.named(said("digest")),
    names: said("names")
      .split("\n")
      .filter((name) => !/^\.app\.rustpatcher-(lock|state)$/.test(name)),
  };
}

const TMPFS = "mount -t tmpfs -o size=64m,mode=755 none $PLACE; cp $APP $PLACE/app";
const REFUSED = { version: "old", names: ["app"] } as const;

describe.skipIf(!canMount)("an executable", () => {
  test("on a small file system of its own is updated", async () => {
    expect(await installAt(TMPFS)).toMatchObject({ code: "", version: "new" });
  });

  test("on a disk that is too full is not, which is known before the download (F1)", async () => {
    const full = await installAt(
      "mount -t tmpfs -o size=4m,mode=755 none $PLACE; cp $APP $PLACE/app",
    );
    expect(full).toMatchObject({ code: "DISK_FULL", version: "old" });
    expect(full.names.filter((name) => name.endsWith("-tmp"))).toEqual([]);
  });

  test("on a disk without room for another file is not (F1)", async () => {
    expect(await installAt(`${TMPFS}; mount -o remount,nr_inodes=2 $PLACE`)).toEqual({
      code: "IO_FAILED",
      ...REFUSED,
    });
  });

  test("on a read-only file system is not (F2)", async () => {
    expect(await installAt(`${TMPFS}; mount -o remount,ro $PLACE`)).toEqual({
      code: "DIRECTORY_READ_ONLY",
      ...REFUSED,
    });
  });

  test.each(["$PLACE/app", "$PLACE"])("that is immutable is not: %s (F2)", async (path) => {
    expect(await installAt(`cp $APP $PLACE/app; chattr +i ${path}`)).toEqual({
      code: "DIRECTORY_READ_ONLY",
      ...REFUSED,
    });
  });

  test("in a directory of root's is not, for others (F2)", async () => {
    const user = `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups`;
    expect(await installAt(`${TMPFS}; chown ${NOBODY} $PLACE/app`, user)).toEqual({
      code: "DIRECTORY_READ_ONLY",
      ...REFUSED,
    });
  });

  test("of a group that its owner is not in is not (F7)", async () => {
    const user = `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups`;
    expect(
      await installAt(`${TMPFS}; chown ${NOBODY}:12345 $PLACE/app; chown ${NOBODY} $PLACE`, user),
    ).toEqual({ code: "EXECUTABLE_UNSAFE", ...REFUSED });
  });

  test("of somebody else is not (F6)", async () => {
    const user = `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups`;
    expect(await installAt(`${TMPFS}; chown ${NOBODY} $PLACE`, user)).toEqual({
      code: "EXECUTABLE_UNSAFE",
      ...REFUSED,
    });
  });

  test("that is mounted by itself is not, and is never written to (F3)", async () => {
    expect(await installAt(`${TMPFS}; mount --bind $PLACE/app $PLACE/app`)).toEqual({
      code: "DIRECTORY_READ_ONLY",
      ...REFUSED,
    });
  });

  test("in the lower layer of an overlay, as in a container, is updated in the upper one (F3)", async () => {
    const place = `mount -t tmpfs -o size=64m,mode=755 none $PLACE
cd $PLACE; mkdir lower upper work seen; chmod 755 *; cp $APP lower/app
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none seen; PLACE=$PLACE/seen`;
    expect(await installAt(place)).toMatchObject({ code: "", version: "new" });
  });
});

test("what is missing is said, less what is there already", () => {
  const { directory } = two.app;
  const huge = 2 ** 50;
  expect(codeOf(() => checkDiskSpace(directory, huge))).toBe("DISK_FULL");
  expect(() => checkDiskSpace(directory, huge)).toThrow(
    /^the update needs \d+\.\d MB in \/.*, and \d+\.\d MB of that are missing$/,
  );
  expect(codeOf(() => checkDiskSpace(directory, huge, huge))).toBe("accepted");
  // What is not needed takes half of the rest at most, and nothing where there is none.
  expect(spareBytes(directory, huge, 0)).toBe(0);
  const { bavail, bsize } = statfsSync(directory);
  const spare = spareBytes(directory, huge, huge);
  expect(spare).toBeGreaterThan(0);
  expect(spare).toBeLessThan((bavail * bsize) / 2);
});
