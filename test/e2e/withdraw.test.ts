/** A release that its owner takes back, by the command that does it, and what others cannot do with it. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { generateSeed, keyText } from "../../src/core/keys.ts";
import { signRecord, type VerifiedRecord } from "../../src/core/release-record.ts";
import { parseVersion } from "../../src/core/version.ts";
import type { AppProcess } from "../helpers/app-process.ts";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { digestOf } from "../helpers/installed.ts";

const TIMEOUT_MS = 120_000;
const MAIN = join(import.meta.dir, "../../src/cli/main.ts");

const { world } = setUpE2e();

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function withdraw(...args: readonly string[]): Promise<Outcome> {
  const names = ["--app", "fixture", "--target", `linux-${process.arch}`];
  const child = Bun.spawn([process.execPath, MAIN, "withdraw", ...args, ...names], {
    cwd: world.folder(),
    env: {
      PATH: process.env["PATH"] ?? "",
      RUSTPATCHER_KEY: keyText(world.seed),
      RUSTPATCHER_BOOTSTRAP: world.net.bootstrap
        .map(({ host, port }) => `${host}:${port}`)
        .join(","),
      NO_COLOR: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

/** The `count`th start, which is of this version. */
async function becomes(app: AppProcess, version: string, count: number): Promise<void> {
  expect(await app.event("start", count)).toMatchObject({ version, pid: app.pid });
}

test(
  "one command takes every copy back, by its rollback copy or from others; the next release ends it",
  async () => {
    const first = { version: "1.0.0" };
    const path = await world.release(first);
    const fresh = await world.release({ version: "2.0.0", build: "two" });
    const [good, bad] = [digestOf(path), digestOf(fresh)];
    const older = await world.release({ version: "0.9.0", build: "old" });
    // Installed as 2.0.0: there is no version before it to go back to.
    const publisher = await world.run(fresh);
    const copy = await world.run(path);
    await becomes(copy, "2.0.0", 2);
    expect(digestOf(path)).toBe(bad);

    const outcome = await withdraw("2.0.0", "--json");
    expect(outcome.err).toBe("");
    expect(outcome.code).toBe(0);
    expect(JSON.parse(outcome.out).withdrawn).toMatchObject([
      { withdrawn: "2.0.0", version: "1.0.0" },
    ]);
    await becomes(copy, "1.0.0", 3);
    expect(digestOf(path)).toBe(good);
    expect(existsSync(join(dirname(path), ".app.rustpatcher-previous"))).toBe(false);
    expect(copy.log.join("\n")).toContain("version 2.0.0 was withdrawn by its owner");
    // From the copy that is back: with the same content, byte for byte.
    await becomes(publisher, "1.0.0", 2);
    expect(digestOf(fresh)).toBe(good);
    // Who was not on it never installs it.
    const late = await world.run(older);
    await becomes(late, "1.0.0", 2);
    expect(digestOf(older)).toBe(good);
    expect(late.all("applied")).toMatchObject([{ version: "1.0.0" }]);

    const third = await world.release({ version: "2.0.1", build: "three", publishedS: nowS() });
    await world.run(third);
    for (const [app, count] of [
      [copy, 4],
      [publisher, 3],
      [late, 3],
    ] as const) {
      await becomes(app, "2.0.1", count);
    }
    expect(digestOf(path)).toBe(digestOf(third));
    const refused = await withdraw("2.0.0");
    expect(refused).toMatchObject({ code: 1, out: "" });
    expect(refused.err).toContain("2.0.1 is, so no copy installs it any more");
  },
  TIMEOUT_MS,
);

const nowS = (): number => Math.floor(Date.now() / 1000) + 5;

test(
  "no withdrawal but the owner's, for this target and this release, changes anything",
  async () => {
    const fresh = await world.release({ version: "2.0.0", build: "two" });
    const before = digestOf(fresh);
    const good = world.holding(await world.release({ version: "1.0.0" }));
    const { record } = good.record;
    const back = (fields: Partial<typeof record>, seed = world.seed): VerifiedRecord =>
      signRecord(seed, {
        ...record,
        publishedS: Math.floor(Date.now() / 1000),
        x: { ...record.x, withdrawn: parseVersion("2.0.0") },
        ...fields,
      });
    // Later than the lies: the owner's own mistake among them is a record like any other.
    const genuine = back({ publishedS: nowS() });
    const app = await world.run(fresh);
    await app.event("checking", 1);
    const lies: readonly VerifiedRecord[] = [
      // Forged by another key; genuine words under another signature; another target's; replayed.
      back({}, generateSeed()),
      { ...genuine, signature: back({ lengthBytes: record.lengthBytes + 1 }).signature },
      back({ target: "linux-x64-musl" }),
      back({ publishedS: record.publishedS + 1 }),
      // Of another version than the installed one.
      back({ x: { ...record.x, withdrawn: parseVersion("1.9.9") } }),
    ];
    for (const lie of lies) await world.provider(lie, good);
    const looks = app.all("checking").length;
    await app.event("checking", looks + 4);
    expect([app.all("withdrawn"), app.all("applied"), digestOf(fresh)]).toEqual([[], [], before]);
    // The same, and true.
    await world.provider(genuine, good);
    await becomes(app, "1.0.0", 2);
    expect(await app.event("withdrawn")).toMatchObject({ version: "2.0.0" });
  },
  TIMEOUT_MS,
);
