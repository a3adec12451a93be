/** A first install that is interrupted: the next attempt takes over what has the right hash, and nothing else. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyText } from "../../src/core/keys.ts";
import { systemClock } from "../../src/core/clock.ts";
import { installFirst } from "../../src/release/first-install.ts";
import type { FirstFile } from "../../src/release/first-file.ts";
import { APP, noise, type TestRelease } from "../helpers/release.ts";
import { Sent } from "../helpers/sent-chunks.ts";
import { SwarmWorld, until } from "../helpers/swarm-world.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const NOW_S = Math.floor(Date.now() / 1000);
const BLOCKS = 60;
/** The whole of it takes two seconds. */
const UPLOAD_BYTES_PER_S = 2_000_000;
const WAIT_MS = 30_000;
const TIMEOUT_MS = 60_000;

let world: SwarmWorld;
let directory: string;
const children: Bun.Subprocess[] = [];

beforeEach(async () => {
  world = await SwarmWorld.create();
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-first-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
  await world.destroy();
  rmSync(directory, { recursive: true, force: true });
});

const app = (): string => join(directory, "app");
const partial = (): string => join(directory, ".app.rustpatcher-partial");

const make = (version = "1.0.1", salt = 1): TestRelease =>
  world.release({ version, salt, blocks: BLOCKS, header: tinyElf(), publishedS: NOW_S });

/** Serves the release and counts what it sends of it. */
async function publish(release: TestRelease, uploadBytesPerS = Infinity): Promise<Sent> {
  const sent = new Sent(release);
  const swarm = await world.swarm({ uploadBytesPerS });
  swarm.serve(sent.holding);
  await swarm.discover();
  return sent;
}

function install(): Promise<FirstFile> {
  return installFirst({
    owner: world.owner,
    name: APP,
    out: app(),
    sharedSecret: undefined,
    bootstrap: world.net.bootstrap,
    clock: systemClock,
    log: () => undefined,
    onFound: () => undefined,
    onProgress: () => undefined,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

/** `rustpatcher fetch` as a process. */
function fetchProcess(): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const { app: name, target } = APP;
  const child = Bun.spawn(
    [
      process.execPath,
      MAIN,
      "fetch",
      keyText(world.owner),
      "--app",
      name,
      "--target",
      target,
    ].concat(["--out", app()]),
    {
      env: {
        PATH: process.env["PATH"] ?? "",
        NO_COLOR: "1",
        RUSTPATCHER_BOOTSTRAP: world.net.bootstrap
          .map(({ host, port }) => `${host}:${port}`)
          .join(","),
      },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    },
  );
  children.push(child);
  return child;
}

/** Blocks of 512 bytes that are really there. */
const partialBlocks = (): number => lstatSync(partial(), { throwIfNoEntry: false })?.blocks ?? 0;

test(
  "killed again and again, it fetches nothing twice that was in the file, and leaves nothing in the end",
  async () => {
    const release = make();
    const sent = await publish(release, UPLOAD_BYTES_PER_S);
    const complete: number[] = [];
    let lost = 0;
    for (const share of [0.2, 0.5, 0.7]) {
      const child = fetchProcess();
      await until(
        () => partialBlocks() > (share * release.bytes.length) / 512 || child.exitCode !== null,
        "some of it",
        WAIT_MS,
      );
      child.kill("SIGKILL");
      await child.exited;
      await sent.settled();
      expect(existsSync(app())).toBe(false);
      expect(lstatSync(partial()).mode & 0o777).toBe(0o600);
      const found = sent.compare(partial());
      complete.push(found.complete);
      lost += found.lost;
    }
    expect(complete).toEqual(complete.toSorted((a, b) => a - b));
    expect(complete.at(-1)).toBeGreaterThan(0.5 * release.table.count);
    expect((await install()).version).toBe("1.0.1");
    expect(sent.twice).toBe(lost);
    expect(Buffer.compare(readFileSync(app()), release.file)).toBe(0);
    expect(readdirSync(directory)).toEqual(["app"]);
  },
  TIMEOUT_MS,
);

test(
  "told to stop, as at a shutdown, it says that the same command goes on, which it does",
  async () => {
    const release = make();
    const sent = await publish(release, UPLOAD_BYTES_PER_S);
    const child = fetchProcess();
    await until(() => partialBlocks() > 0.3 * (release.bytes.length / 512), "some of it", WAIT_MS);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(130);
    expect(await child.stderr.text()).toContain("the same command goes on where this one was");
    expect(readdirSync(directory)).toEqual([".app.rustpatcher-partial"]);
    const { complete } = sent.compare(partial());
    expect(complete).toBeGreaterThan(0.2 * release.table.count);
    await install();
    expect(sent.counts.reduce((sum, count) => sum + count, 0)).toBeLessThan(
      1.3 * release.table.count,
    );
    expect(readdirSync(directory)).toEqual(["app"]);
  },
  TIMEOUT_MS,
);

test("a file that holds anything else harms nothing, and what a kill has left besides is swept", async () => {
  const release = make();
  const sent = await publish(release);
  const half = release.file.slice(0, release.file.length / 2);
  half[half.length - 5_000] = (half.at(-5_000) ?? 0) ^ 1;
  const chunks = Array.from({ length: release.table.count }, (_, index) =>
    release.table.rangeOf(index),
  );
  const cutAt = half.length - release.region.length;
  const whole = chunks.filter(({ offset, sizeBytes }) => offset + sizeBytes <= cutAt).length;
  for (const [content, mostSent] of [
    [noise(release.file.length, 77), chunks.length],
    // The last one that is whole was changed, or the one that is cut.
    [half, chunks.length - whole + 1],
    [release.file, 0],
  ] as const) {
    rmSync(app(), { force: true });
    writeFileSync(partial(), content, { mode: 0o600 });
    writeFileSync(join(directory, ".app.update.0123456789abcdef.rustpatcher-tmp"), "left");
    sent.counts.fill(0);
    await install();
    expect(sent.distinct).toBeLessThanOrEqual(mostSent);
    expect(Buffer.compare(readFileSync(app()), release.file)).toBe(0);
    expect(readdirSync(directory)).toEqual(["app"]);
  }
}, 30_000);

test("what was begun for another release gives what both share", async () => {
  const older = make();
  const bytes = older.file.slice();
  const newer = world.release({
    version: "1.0.2",
    salt: 1,
    blocks: BLOCKS + 8,
    header: tinyElf(),
    publishedS: NOW_S + 1,
  });
  const shared = Array.from({ length: newer.table.count }, (_, index) => index).filter(
    (index) => older.table.find(newer.table.hashOf(index)) !== undefined,
  ).length;
  expect(shared).toBeGreaterThan(BLOCKS / 2);
  writeFileSync(partial(), bytes, { mode: 0o600 });
  const sent = await publish(newer);
  expect((await install()).version).toBe("1.0.2");
  expect(sent.distinct).toBeLessThanOrEqual(newer.table.count - shared + 5);
}, 30_000);

describe("F8: what lies under its name and is not ours alone is neither read nor written to", () => {
  const bystander = (): string => join(directory, "bystander");

  test.each<[string, () => void]>([
    ["a link to another file", () => symlinkSync(bystander(), partial())],
    ["a second name of another file", () => linkSync(bystander(), partial())],
    [
      "a file that others may write to",
      () => {
        writeFileSync(partial(), make().file);
        chmodSync(partial(), 0o666);
      },
    ],
  ])("%s", async (_, plant) => {
    writeFileSync(bystander(), "untouched", { mode: 0o600 });
    plant();
    const release = make();
    const sent = await publish(release);
    await install();
    expect(sent.distinct).toBe(release.table.count);
    expect(readFileSync(bystander(), "utf8")).toBe("untouched");
    expect(readdirSync(directory).sort()).toEqual(["app", "bystander"]);
  });
});

test("two at once: the second says so and touches nothing", async () => {
  const release = make();
  await publish(release, UPLOAD_BYTES_PER_S);
  const first = fetchProcess();
  await until(() => partialBlocks() > 0, "the first one", WAIT_MS);
  expect(await install().catch((error: unknown) => error)).toMatchObject({ code: "BUSY" });
  expect(await first.exited).toBe(0);
  expect(Buffer.compare(readFileSync(app()), release.file)).toBe(0);
  expect(readdirSync(directory)).toEqual(["app"]);
}, 30_000);
