/** What is tried on the compiled program: liars beside an honest peer, floods of its server, and liars alone. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { publicKeyOf } from "../../src/core/keys.ts";
import { Swarm } from "../../src/swarm/swarm.ts";
import type { AppProcess } from "../helpers/app-process.ts";
import { blobApp } from "../helpers/blob-app.ts";
import { E2eReleases, E2eWorld } from "../helpers/e2e-world.ts";
import { digestOf } from "../helpers/installed.ts";
import { startEvil, type Evil } from "./evil.ts";

/** That are beside the one honest peer, or alone. */
export const LIARS = 20;
/** A download of a dozen pieces and more. */
const BLOB_BYTES = 3_000_000;
const CASE_TIMEOUT_MS = 55_000;
/** A download is given up when nothing that is right has come for a minute and a last round; then it is told. */
const ALONE_MS = 110_000;
const LIFETIME_MS = 200_000;

export interface CaseReport {
  /** From the start of the old version to the new one running. */
  readonly seconds: number;
  /** Bytes of answers that came to the program. */
  readonly wireBytes: number;
  /** Liars that were visited; they prove nothing otherwise. */
  readonly visited: number;
}

export interface FloodReport {
  readonly seconds: number;
  /** Of the honest getter, while it downloads. */
  readonly bytesPerS: number;
  /** Of the program that is flooded, at its most. */
  readonly memoryBytes: number;
  readonly descriptors: number;
  /** Connections on which the flood was let in. */
  readonly admitted: number;
}

export interface AloneReport {
  /** From the first honest peer to the new version running. */
  readonly seconds: number;
  readonly visited: number;
  /** Of the program, while it had nobody but liars. */
  readonly memoryBytes: number;
  /** What it has reported of it. */
  readonly code: string;
}

export class Matrix {
  readonly #releases = new E2eReleases();
  #old = "";
  #next = "";

  async prepare(): Promise<void> {
    const get = (version: string, build: string, salt: number): Promise<string> =>
      this.#releases.get({ version, source: blobApp(build, salt, BLOB_BYTES) });
    this.#old = await get("1.0.0", "one", 1);
    this.#next = await get("1.0.1", "two", 2);
  }

  remove(): void {
    this.#releases.remove();
  }

  /** Throws when the program does not become the new version in time. */
  async lies(behaviour: string, liars: number): Promise<CaseReport> {
    return this.#inWorld(async (world, onEnd) => {
      const evil = liars > 0 ? await this.#liars(behaviour, liars, world) : undefined;
      onEnd(() => evil?.kill());
      onEnd(await this.#honest(world));
      const path = world.copy(this.#old);
      const startMs = performance.now();
      const program = await world.run(path);
      await program.event("start", 2, CASE_TIMEOUT_MS);
      const seconds = (performance.now() - startMs) / 1_000;
      this.#checkNew(path);
      const wireBytes = Number(program.all("progress").at(-1)?.["wireBytes"]);
      return { seconds, wireBytes, visited: (await evil?.end())?.["visited"] ?? 0 };
    });
  }

  /** The new version serves the old one while somebody does this to it. Throws when it does not in time. */
  async flood(kind: string): Promise<FloodReport> {
    return this.#inWorld(async (world, onEnd) => {
      const server = await world.run(world.copy(this.#next), { lifetimeMs: LIFETIME_MS });
      const evil =
        kind === ""
          ? undefined
          : await startEvil("evil-client.ts", {
              release: this.#next,
              bootstrap: bootstrapOf(world),
              flood: kind,
            });
      onEnd(() => evil?.kill());
      const path = world.copy(this.#old);
      const startMs = performance.now();
      const program = await world.run(path);
      await program.event("start", 2, CASE_TIMEOUT_MS);
      const seconds = (performance.now() - startMs) / 1_000;
      this.#checkNew(path);
      const admitted = (await evil?.end())?.["admitted"] ?? 0;
      if (!server.isRunning) throw new Error("the flooded program has ended");
      return {
        seconds,
        bytesPerS: rateOf(program),
        memoryBytes: mostMemory(server.pid),
        descriptors: readdirSync(`/proc/${server.pid}/fd`).length,
        admitted,
      };
    });
  }

  /** Nobody but liars, until the program has said so; then one honest peer. Throws when it does anything else. */
  async alone(behaviour: string, liars: number): Promise<AloneReport> {
    return this.#inWorld(async (world, onEnd) => {
      const evil = await this.#liars(behaviour, liars, world);
      onEnd(() => evil.kill());
      const path = world.copy(this.#old);
      const program = await world.run(path, { lifetimeMs: LIFETIME_MS });
      const { code } = await program.event("error", 1, ALONE_MS);
      const memoryBytes = mostMemory(program.pid);
      if (digestOf(path) !== digestOf(this.#old)) throw new Error("the program was touched");
      const strays = readdirSync(dirname(path)).filter(
        (name) => name !== "app" && !name.startsWith(".app.rustpatcher-"),
      );
      if (strays.length > 0) throw new Error(`left beside it: ${strays.join(", ")}`);
      const startMs = performance.now();
      onEnd(await this.#honest(world));
      await program.event("start", 2, CASE_TIMEOUT_MS);
      const seconds = (performance.now() - startMs) / 1_000;
      this.#checkNew(path);
      const visited = (await evil.end())["visited"] ?? 0;
      return { seconds, visited, memoryBytes, code: String(code) };
    });
  }

  async #inWorld<T>(
    work: (world: E2eWorld, onEnd: (cleanup: () => unknown) => void) => Promise<T>,
  ): Promise<T> {
    const world = await E2eWorld.create(this.#releases);
    const cleanups: (() => unknown)[] = [];
    try {
      return await work(world, (cleanup) => void cleanups.push(cleanup));
    } finally {
      for (const cleanup of cleanups.reverse()) await cleanup();
      await world.destroy();
    }
  }

  #liars(behaviour: string, liars: number, world: E2eWorld): Promise<Evil> {
    return startEvil("evil-peer.ts", {
      release: this.#next,
      older: this.#old,
      bootstrap: bootstrapOf(world),
      behaviour,
      count: `${liars}`,
    });
  }

  /** Resolves with what ends it. */
  async #honest(world: E2eWorld): Promise<() => Promise<void>> {
    const { record, region, table, stream } = world.holding(this.#next);
    const { app, target, channel } = record.record;
    const swarm = await Swarm.start({
      owner: publicKeyOf(this.#releases.seed),
      name: { app, target, channel },
      sharedSecret: undefined,
      bootstrap: world.net.bootstrap,
      clock: systemClock,
      log: () => undefined,
    });
    swarm.serve({ record, region, table, stream });
    await swarm.discover();
    return () => swarm.destroy();
  }

  #checkNew(path: string): void {
    if (digestOf(path) !== digestOf(this.#next)) throw new Error("another file than the release");
  }
}

function bootstrapOf({ net }: E2eWorld): string {
  return net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(",");
}

/** Between the first progress that was told and the last, on the wire. */
function rateOf(program: AppProcess): number {
  const told = program.all("progress");
  const [first, last] = [told[0], told.at(-1)];
  const bytes = Number(last?.["wireBytes"]) - Number(first?.["wireBytes"]);
  return (bytes / (Number(last?.["now"]) - Number(first?.["now"]))) * 1_000;
}

/** The most that was resident, ever. */
function mostMemory(pid: number): number {
  const kB = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kB) * 1_024;
}
