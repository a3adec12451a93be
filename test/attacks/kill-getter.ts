/**
 * kill -9 at random moments of a download, to the piece: what was verified before a kill is compared with the file
 * that is left, and with what is fetched afterwards. Pieces on their way are no progress yet.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { publicKeyOf } from "../../src/core/keys.ts";
import { sha256 } from "../../src/core/hash.ts";
import { memorySource, without } from "../../src/core/source.ts";
import { systemClock } from "../../src/core/clock.ts";
import { Swarm } from "../../src/swarm/swarm.ts";
import { createLoopbackDht, type LoopbackDht } from "../helpers/dht.ts";
import { InstalledApp } from "../helpers/installed.ts";
import { APP, type TestRelease } from "../helpers/release.ts";
import { randomFrom, type Random } from "../faults/plan.ts";
import { VerifiedChunks } from "./verified-chunks.ts";

const GETTER = join(import.meta.dir, "getter.ts");
const BLOCKS = 200;
/** A run is killed after it has verified so many pieces, or some less. */
const PIECES_BEFORE_KILL = 12;
const RUN_TIMEOUT_MS = 30_000;

export interface GetterKills {
  readonly kills: number;
  readonly downloads: number;
  /** Verified before the kills. */
  readonly verifiedBytes: number;
  /** For each kill: bytes verified before it that are not in the file because of it. */
  readonly lostBytes: readonly number[];
  /** For each download: bytes that were verified more than once. */
  readonly againBytes: readonly number[];
  /** Pieces that were verified while one before them was not written. */
  readonly unordered: number;
}

/** Throws when a download does not end with the right file. */
export async function killGetters(
  kills: number,
  perDownload: number,
  seed: number,
): Promise<GetterKills> {
  const random = randomFrom(seed);
  const net = await createLoopbackDht(3);
  const lostBytes: number[] = [];
  const againBytes: number[] = [];
  let verifiedBytes = 0;
  let unordered = 0;
  try {
    while (lostBytes.length < kills) {
      const count = Math.min(perDownload, kills - lostBytes.length);
      const download = await killedDownload(net, count, random, seed + lostBytes.length);
      lostBytes.push(...download.lostBytes);
      againBytes.push(download.againBytes);
      verifiedBytes += download.verifiedBytes;
      unordered += download.unordered;
    }
  } finally {
    await net.destroy();
  }
  const downloads = againBytes.length;
  return { kills, downloads, verifiedBytes, lostBytes, againBytes, unordered };
}

async function killedDownload(
  net: LoopbackDht,
  kills: number,
  random: Random,
  salt: number,
): Promise<{ lostBytes: number[]; againBytes: number; verifiedBytes: number; unordered: number }> {
  const app = new InstalledApp({ blocks: 1, salt: salt + 1 });
  const next = app.make({ version: "1.0.1", blocks: BLOCKS, salt });
  const publisher = await publish(net, app, next);
  const chunks = new VerifiedChunks(next.table);
  const lostBytes: number[] = [];
  let verifiedBytes = 0;
  try {
    for (let kill = 0; kill < kills; kill++) {
      const pieces = 1 + Math.floor(random() * PIECES_BEFORE_KILL);
      if ((await run(app, chunks, net, pieces)) !== null)
        throw new Error("it was faster than the kill");
      verifiedBytes = chunks.bytes;
      lostBytes.push(chunks.killed(inFile(app.installation.partialPath, next)));
    }
    const code = await run(app, chunks, net, Infinity);
    if (code !== 0 || app.digest() !== sha256(next.file).toHex()) {
      throw new Error("not the right file");
    }
  } finally {
    await publisher.destroy();
    app.remove();
  }
  const { againBytes, unordered } = chunks;
  return { lostBytes, againBytes, verifiedBytes, unordered };
}

async function publish(net: LoopbackDht, app: InstalledApp, next: TestRelease): Promise<Swarm> {
  const swarm = await Swarm.start({
    owner: publicKeyOf(app.seed),
    name: APP,
    sharedSecret: undefined,
    bootstrap: net.bootstrap,
    clock: systemClock,
    log: () => undefined,
  });
  swarm.serve(next);
  await swarm.discover();
  return swarm;
}

/** Runs the getter, and kills it when it has verified so many pieces; resolves with its exit code. */
async function run(
  app: InstalledApp,
  chunks: VerifiedChunks,
  net: LoopbackDht,
  killAfter: number,
): Promise<number | null> {
  const [bootstrap] = net.bootstrap;
  if (bootstrap === undefined) throw new Error("no bootstrap node");
  const child = Bun.spawn(
    [process.execPath, GETTER, app.path, `${bootstrap.host}:${bootstrap.port}`],
    {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
      timeout: RUN_TIMEOUT_MS,
      killSignal: "SIGKILL",
    },
  );
  let pieces = 0;
  let rest = "";
  const decoder = new TextDecoder();
  for await (const text of child.stdout) {
    const lines = (rest + decoder.decode(text, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [what, at = "", count = ""] = line.split(" ");
      if (what === "written") chunks.written(Number(at), Number(count));
      if (what !== "verified") continue;
      chunks.verified(Number(at), Number(count));
      if (++pieces === killAfter) child.kill("SIGKILL");
    }
  }
  await child.exited;
  return child.exitCode;
}

/** Is a chunk of the release in the file that a kill has left? */
function inFile(path: string, { table, record, region }: TestRelease): (chunk: number) => boolean {
  if (!existsSync(path)) return () => false;
  const stream = without(
    memorySource(readFileSync(path)),
    record.record.regionOffset,
    region.length,
  );
  return (chunk) => {
    const { offset, sizeBytes } = table.rangeOf(chunk);
    return (
      offset + sizeBytes <= stream.sizeBytes && table.isChunk(chunk, stream.read(offset, sizeBytes))
    );
  };
}
