/**
 * kill -9 at random points of a real program's download, again and again; what had been fetched is not
 * fetched again. All of it (50 kills): bun test/attacks/kill-resume.ts [kills] [kills per download] [seed]
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { publicKeyOf } from "../../src/core/keys.ts";
import { sha256 } from "../../src/core/hash.ts";
import { memorySource, without, type ByteSource } from "../../src/core/source.ts";
import { REGION_BYTES } from "../../src/exe/region.ts";
import type { Holding } from "../../src/swarm/holdings.ts";
import { Swarm } from "../../src/swarm/swarm.ts";
import { blobApp } from "../helpers/blob-app.ts";
import { E2eReleases, E2eWorld } from "../helpers/e2e-world.ts";

/** Kilobytes of the new version that the old one lacks, before compression. */
const BLOB_BYTES = 5_000_000;
/** Slow enough for a download to be hit in the middle. */
const UPLOAD_BYTES_PER_S = 2_500_000;
/** A kill comes within this time after the release was found. */
const KILL_WITHIN_MS = 450;
/** A provider learns of the kill by nothing but silence; what it sends meanwhile, nobody gets. */
const SETTLE_MS = 300;
const FINISH_TIMEOUT_MS = 60_000;

export interface KillReport {
  readonly kills: number;
  readonly downloads: number;
  /** Chunks that were complete in the file just after each kill, in the order of the kills. */
  readonly complete: readonly number[];
  /** Chunks that were under way at each kill: sent since the one before, and not in the file. */
  readonly lost: readonly number[];
  /** Chunks that each download was sent more than once. */
  readonly twice: readonly number[];
  /** Chunks that each download needs. */
  readonly needed: number;
  /** The most chunks that one piece has. */
  readonly pieceChunks: number;
}

/** xorshift32: a run can be repeated by its seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** How often each chunk was sent, by what was read of the stream for it. */
class Sent {
  readonly counts: Uint32Array;
  #seen: Uint32Array;
  #pieceChunks = 0;
  readonly holding: Holding;

  constructor(holding: Holding) {
    const { table, stream } = holding;
    this.counts = new Uint32Array(table.count);
    this.#seen = this.counts.slice();
    const counted: ByteSource = {
      sizeBytes: stream.sizeBytes,
      read: (offset, sizeBytes) => {
        const first = table.indexAt(offset);
        const last = table.indexAt(offset + sizeBytes - 1);
        for (let index = first; index <= last; index++) this.#count(index);
        this.#pieceChunks = Math.max(this.#pieceChunks, last - first + 1);
        return stream.read(offset, sizeBytes);
      },
    };
    this.holding = { ...holding, stream: counted };
  }

  get pieceChunks(): number {
    return this.#pieceChunks;
  }

  get twice(): number {
    return this.counts.reduce((sum, count) => sum + Math.max(0, count - 1), 0);
  }

  get distinct(): number {
    return this.counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  }

  /** Of the chunks that were ever sent, those in the file; and those that were sent since the last look and are not. */
  compare(path: string): { readonly complete: number; readonly lost: number } {
    const stream = this.#streamOf(path);
    const { table } = this.holding;
    let complete = 0;
    let lost = 0;
    for (const [index, count] of this.counts.entries()) {
      if (count === 0) continue;
      const { offset, sizeBytes } = table.rangeOf(index);
      const isThere = stream !== undefined && table.isChunk(index, stream.read(offset, sizeBytes));
      if (isThere) complete++;
      else if (count > (this.#seen[index] ?? 0)) lost++;
    }
    this.#seen = this.counts.slice();
    return { complete, lost };
  }

  #streamOf(path: string): ByteSource | undefined {
    if (!existsSync(path)) return undefined;
    const file = memorySource(readFileSync(path));
    const { regionOffset, lengthBytes } = this.holding.record.record;
    if (file.sizeBytes !== lengthBytes + REGION_BYTES) return undefined;
    return without(file, regionOffset, REGION_BYTES);
  }

  #count(index: number): void {
    this.counts[index] = (this.counts[index] ?? 0) + 1;
  }
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
  const lost: number[] = [];
  const twice: number[] = [];
  let needed = 0;
  let pieceChunks = 0;
  try {
    const old = await releases.get({ version: "1.0.0", source: blobApp("one", 1, BLOB_BYTES) });
    const next = await releases.get({ version: "1.0.1", source: blobApp("two", 2, BLOB_BYTES) });
    const digest = sha256(readFileSync(next)).toHex();
    const holding = world.holding(next);
    while (complete.length < kills) {
      const sent = new Sent(holding);
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
          await program.event("available");
          await Bun.sleep(random() * KILL_WITHIN_MS);
          await program.kill();
          // What the killed program had asked for is still being sent for a moment.
          await Bun.sleep(SETTLE_MS);
          const found = sent.compare(partial);
          complete.push(found.complete);
          lost.push(found.lost);
        }
        const program = await world.run(path);
        await program.event("start", 2, FINISH_TIMEOUT_MS);
        await program.kill();
        if (sha256(readFileSync(path)).toHex() !== digest) throw new Error("not the right file");
        twice.push(sent.twice);
        needed = sent.distinct;
        pieceChunks = Math.max(pieceChunks, sent.pieceChunks);
      } finally {
        await swarm.destroy();
      }
    }
    return { kills, downloads: twice.length, complete, lost, twice, needed, pieceChunks };
  } finally {
    await world.destroy();
    releases.remove();
  }
}

if (import.meta.main) {
  const [, , kills = "50", perDownload = "5", seed = `${Math.floor(Math.random() * 2 ** 32)}`] =
    process.argv;
  console.log(`seed ${seed}`);
  const report = await killAndResume(Number(kills), Number(perDownload), Number(seed));
  console.log(report);
  const most = Math.max(...report.lost);
  const total = report.twice.reduce((sum, count) => sum + count, 0);
  console.log(
    `${report.kills} kills in ${report.downloads} downloads of ${report.needed} chunks, each ended with the right file; ` +
      `a kill cost ${most} chunks at most (a piece has up to ${report.pieceChunks}), ${(total / report.kills).toFixed(2)} on average`,
  );
  process.exit(0);
}
