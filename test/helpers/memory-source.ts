/** A swarm of one process: releases in memory, given out as the real one does, liars included. */
import { SwarmError } from "../../src/swarm/error.ts";
import type { Holding } from "../../src/swarm/holdings.ts";
import type { ReleaseSource } from "../../src/update/release-source.ts";
import type { VerifiedRecord } from "../../src/core/release-record.ts";
import type { TestRelease } from "./release.ts";

type FetchArguments = Parameters<ReleaseSource["fetch"]>;

export class MemorySource implements ReleaseSource {
  /** What discover finds. */
  newest: VerifiedRecord | undefined;
  readonly served: Holding[] = [];
  /** Versions that were asked for, one entry each time. */
  readonly fetches: string[] = [];
  /** Chunks handed out in all. */
  chunks = 0;
  discoveries = 0;
  hasReached = true;
  /** Regions offered before the right one, one after the other, as by different peers. */
  wrongRegions: Uint8Array[] = [];
  /** Called before each chunk; may throw or wait. */
  beforeChunk: () => void | Promise<void> = () => undefined;
  discoverError: Error | undefined;
  readonly #releases = new Map<string, TestRelease>();

  /** Has a release from now on, and finds its record. */
  publish(release: TestRelease): void {
    this.#releases.set(release.table.root.toHex(), release);
    this.newest = release.record;
  }

  serve(holding: Holding): void {
    this.served.push(holding);
  }

  async discover(): Promise<VerifiedRecord | undefined> {
    this.discoveries++;
    if (this.discoverError !== undefined) throw this.discoverError;
    return this.newest;
  }

  async fetch(...[{ record }, options]: FetchArguments): ReturnType<ReleaseSource["fetch"]> {
    this.fetches.push(record.version.text);
    const release = this.#releases.get(record.root.toHex());
    if (release === undefined) {
      throw new SwarmError("NO_PROVIDER", "nobody has it", { blame: "local" });
    }
    const region = this.#accepted(release, options.checkRegion);
    const { table, bytes } = release;
    const missing = await options.missing(table);
    const missingBytes = missing.reduce((sum, index) => sum + table.rangeOf(index).sizeBytes, 0);
    let fetchedBytes = 0;
    const report = (): void =>
      options.onProgress?.({
        fetchedBytes,
        wireBytes: fetchedBytes,
        reusedBytes: bytes.length - missingBytes,
        totalBytes: bytes.length,
        providers: 1,
      });
    report();
    for (const index of missing) {
      await this.beforeChunk();
      if (options.signal?.aborted === true) {
        throw new SwarmError("STOPPED", "stopped", { blame: "local" });
      }
      const { offset, sizeBytes } = table.rangeOf(index);
      await options.onPiece(
        { first: index, count: 1, offset },
        bytes.slice(offset, offset + sizeBytes),
      );
      this.chunks++;
      fetchedBytes += sizeBytes;
      report();
    }
    return { region, table };
  }

  #accepted(release: TestRelease, checkRegion: (region: Uint8Array) => void): Uint8Array {
    for (const region of [...this.wrongRegions, release.region]) {
      try {
        checkRegion(region);
        return region;
      } catch {
        // Its peer is dropped; another one is asked.
      }
    }
    throw new SwarmError("NO_PROVIDER", "nobody has a good region", { blame: "local" });
  }
}
