/**
 * kill -9 at random points of a real program's download, again and again. What it has verified before a kill is compared
 * with the file that is left and with what is verified afterwards, to the byte: a kill may cost the one piece that was
 * not written yet. Pieces that were under way are no progress. Kills after so many pieces: kill-getter.ts.
 *
 *   bun test/attacks/kill-resume.ts [kills] [kills per download] [seed]      both, 50 kills each; exits 1 when it fails
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { publicKeyOf } from "../../src/core/keys.ts";
import { sha256 } from "../../src/core/hash.ts";
import { PIECE_MAX_BYTES } from "../../src/core/limits.ts";
import { ChunkPlan } from "../../src/content/plan.ts";
import { Swarm } from "../../src/swarm/swarm.ts";
import type { AppProcess } from "../helpers/app-process.ts";
import { blobApp } from "../helpers/blob-app.ts";
import { E2eReleases, E2eWorld } from "../helpers/e2e-world.ts";
import { scratchDirectory } from "../helpers/scratch.ts";
import { randomFrom } from "../faults/plan.ts";
import { Sent } from "../helpers/sent-chunks.ts";
import { killGetters } from "./kill-getter.ts";
import { VerifiedChunks } from "./verified-chunks.ts";

/** Kilobytes of the new version that the old one lacks, before compression. */
const BLOB_BYTES = 5_000_000;
/** Slow enough for a download to be hit in the middle. */
const UPLOAD_BYTES_PER_S = 2_500_000;
/** A kill comes within this time after the download has begun. */
const KILL_WITHIN_MS = 450;
/** A provider learns of the kill by nothing but silence; what it sends meanwhile, nobody gets. */
const FINISH_TIMEOUT_MS = 60_000;

export interface KillReport {
  readonly kills: number;
  readonly downloads: number;
  /** Chunks that were complete in the file just after each kill, in the order of the kills. */
  readonly complete: readonly number[];
  /** Verified before the kills. */
  readonly verifiedBytes: number;
  /** For each kill: bytes verified before it that are not in the file because of it. */
  readonly lostBytes: readonly number[];
  /** For each download: bytes that were verified more than once. */
  readonly againBytes: readonly number[];
  /** Pieces that were verified while one before them was not written. */
  readonly unordered: number;
  /** For each kill: bytes that the program had told of as done, and that are not in the file. */
  readonly forgottenBytes: readonly number[];
  /** Chunks that were under way at each kill: sent since the one before, and not in the file. */
  readonly lost: readonly number[];
  /** Chunks that each download was sent more than once. */
  readonly twice: readonly number[];
  /** Chunks that each download needs. */
  readonly needed: number;
  /** The most chunks that one piece has. */
  readonly pieceChunks: number;
}

/** Throws when a download does not end with the right file. */
export async function killAndResume(
  kills: number,
  killsPerDownload: number,
  seed: number,
): Promise<KillReport> {
  const random = randomFrom(seed);
  const releases = new E2eReleases();
  const world = await E2eWorld.create(releases);
  const complete: number[] = [];
  const lostBytes: number[] = [];
  const againBytes: number[] = [];
  let verifiedBytes = 0;
  let unordered = 0;
  const forgottenBytes: number[] = [];
  const lost: number[] = [];
  const twice: number[] = [];
  let needed = 0;
  let pieceChunks = 0;
  try {
    const old = await releases.get({
      version: "1.0.0",
      source: blobApp("one", 1, BLOB_BYTES),
      worker: "test/attacks/telling-worker.ts",
    });
    const next = await releases.get({ version: "1.0.1", source: blobApp("two", 2, BLOB_BYTES) });
    const digest = sha256(readFileSync(next)).toHex();
    const holding = world.holding(next);
    const plan = new ChunkPlan(holding.table, world.holding(old).table);
    const localBytes = plan.missing.reduce(
      (sum, chunk) => sum - holding.table.rangeOf(chunk).sizeBytes,
      holding.table.lengthBytes,
    );
    while (complete.length < kills) {
      const sent = new Sent(holding);
      const chunks = new VerifiedChunks(holding.table);
      const { app, target, channel } = holding.record.record;
      const swarm = await Swarm.start({
        owner: publicKeyOf(releases.seed),
        name: { app, target, channel },
        sharedSecret: undefined,
        bootstrap: world.net.bootstrap,
        clock: systemClock,
        log: () => undefined,
        uploadBytesPerS: UPLOAD_BYTES_PER_S,
      });
      try {
        swarm.serve(sent.holding);
        await swarm.discover();
        const path = world.copy(old);
        const partial = join(dirname(path), ".app.rustpatcher-partial");
        for (let kill = 0; kill < killsPerDownload && complete.length < kills; kill++) {
          const program = await world.run(path);
          await program.event("progress");
          await Bun.sleep(random() * KILL_WITHIN_MS);
          await program.kill();
          await sent.settled();
          const before = chunks.bytes;
          count(program, chunks);
          verifiedBytes += chunks.bytes - before;
          lostBytes.push(chunks.killed(sent.inFile(partial)));
          const found = sent.compare(partial);
          complete.push(found.complete);
          const told = program.all("progress").at(-1);
          const toldBytes = Number(told?.["reusedBytes"]) + Number(told?.["doneBytes"]);
          forgottenBytes.push(Math.max(0, toldBytes - localBytes - found.completeBytes));
          lost.push(found.lost);
        }
        const program = await world.run(path);
        await program.event("start", 2, FINISH_TIMEOUT_MS);
        await program.kill();
        count(program, chunks);
        againBytes.push(chunks.againBytes);
        unordered += chunks.unordered;
        if (sha256(readFileSync(path)).toHex() !== digest) throw new Error("not the right file");
        twice.push(sent.twice);
        needed = sent.distinct;
        pieceChunks = Math.max(pieceChunks, sent.pieceChunks);
      } finally {
        await swarm.destroy();
      }
    }
    return {
      kills,
      downloads: twice.length,
      complete,
      verifiedBytes,
      lostBytes,
      againBytes,
      unordered,
      forgottenBytes,
      lost,
      twice,
      needed,
      pieceChunks,
    };
  } finally {
    await world.destroy();
    releases.remove();
  }
}

/** What a run has told of: telling-worker.ts. */
function count(program: AppProcess, chunks: VerifiedChunks): void {
  for (const { name, at, count } of program.events) {
    if (name === "piece-verified") chunks.verified(Number(at), Number(count));
    if (name === "piece-written") chunks.written(Number(at), Number(count));
  }
}

async function main(): Promise<number> {
  scratchDirectory("kill-resume");
  const [, , kills = "50", perDownload = "5", seed = `${Math.floor(Math.random() * 2 ** 32)}`] =
    process.argv;
  console.log(`seed ${seed}`);
  const getters = await killGetters(Number(kills), Number(perDownload), Number(seed));
  const lostBytes = Math.max(...getters.lostBytes);
  console.log(getters);
  console.log(
    `${getters.kills} kills of getters: of ${getters.verifiedBytes} verified bytes a kill cost ${lostBytes} at most (a piece has up to ${PIECE_MAX_BYTES})`,
  );
  const programs = await killAndResume(Number(kills), Number(perDownload), Number(seed));
  const costBytes = Math.max(...programs.lostBytes);
  const forgottenBytes = Math.max(...programs.forgottenBytes);
  const underWay = programs.lost.reduce((sum, one) => sum + one, 0) / programs.kills;
  console.log(programs);
  console.log(
    `${programs.kills} kills of programs in ${programs.downloads} downloads of ${programs.needed} chunks, each ended with the right file: ` +
      `of ${programs.verifiedBytes} verified bytes a kill cost ${costBytes} at most, of what was told ${forgottenBytes}; ` +
      `${underWay.toFixed(1)} chunks were under way on average, of up to ${programs.pieceChunks} in a piece`,
  );
  const isRight =
    Math.max(lostBytes, costBytes) <= PIECE_MAX_BYTES &&
    getters.unordered + programs.unordered + forgottenBytes === 0 &&
    sum(getters.againBytes) === sum(getters.lostBytes) &&
    sum(programs.againBytes) === sum(programs.lostBytes);
  return isRight ? 0 : 1;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

if (import.meta.main) process.exit(await main());
