/**
 * Every lie of group D against the real compiled program: one honest peer and one liar, then one honest peer among
 * 20. The program has to become the new version, and a liar may waste two chunks of its download.
 *
 *   bun test/attacks/matrix.ts [part of a behaviour's name]      prints a table; exits 1 when a case fails
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { sha256 } from "../../src/core/hash.ts";
import { publicKeyOf } from "../../src/core/keys.ts";
import { CHUNK_MAX_BYTES } from "../../src/core/limits.ts";
import { Swarm } from "../../src/swarm/swarm.ts";
import { blobApp } from "../helpers/blob-app.ts";
import { E2eReleases, E2eWorld } from "../helpers/e2e-world.ts";

const EVIL_PEER = join(import.meta.dir, "evil-peer.ts");
/** A download of a dozen pieces and more. */
const BLOB_BYTES = 3_000_000;
const CASE_TIMEOUT_MS = 55_000;
export const LIARS = 20;

export interface CaseReport {
  /** From the start of the old version to the new one running. */
  readonly seconds: number;
  /** Bytes of answers that came to the program. */
  readonly wireBytes: number;
}

export class Matrix {
  readonly #releases = new E2eReleases();
  #old = "";
  #next = "";

  async prepare(): Promise<void> {
    this.#old = await this.#releases.get({
      version: "1.0.0",
      source: blobApp("one", 1, BLOB_BYTES),
    });
    this.#next = await this.#releases.get({
      version: "1.0.1",
      source: blobApp("two", 2, BLOB_BYTES),
    });
  }

  remove(): void {
    this.#releases.remove();
  }

  /** Throws when the program does not become the new version in time. */
  async run(behaviour: string, liars: number): Promise<CaseReport> {
    const world = await E2eWorld.create(this.#releases);
    let evil: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined;
    let honest: Swarm | undefined;
    try {
      const { record, region, table, stream } = world.holding(this.#next);
      const { app, target, channel } = record.record;
      const bootstrap = world.net.bootstrap;
      if (liars > 0) evil = await this.#evil(behaviour, liars, bootstrap);
      honest = await Swarm.start({
        owner: publicKeyOf(this.#releases.seed),
        name: { app, target, channel },
        sharedSecret: undefined,
        bootstrap,
        clock: systemClock,
        log: () => undefined,
      });
      honest.serve({ record, region, table, stream });
      await honest.discover();
      const path = world.copy(this.#old);
      const startMs = performance.now();
      const program = await world.run(path);
      await program.event("start", 2, CASE_TIMEOUT_MS);
      const seconds = (performance.now() - startMs) / 1_000;
      const isRight =
        sha256(readFileSync(path)).toHex() === sha256(readFileSync(this.#next)).toHex();
      if (!isRight) throw new Error("another file than the release");
      const wireBytes = Number(program.all("progress").at(-1)?.["wireBytes"]);
      return { seconds, wireBytes };
    } finally {
      evil?.kill("SIGKILL");
      await evil?.exited;
      await honest?.destroy();
      await world.destroy();
    }
  }

  async #evil(
    behaviour: string,
    liars: number,
    bootstrap: readonly { readonly host: string; readonly port: number }[],
  ): Promise<Bun.Subprocess<"ignore", "pipe", "inherit">> {
    const child = Bun.spawn(
      [process.execPath, EVIL_PEER].concat(
        ["--release", this.#next, "--older", this.#old, "--behaviour", behaviour],
        ["--bootstrap", bootstrap.map(({ host, port }) => `${host}:${port}`).join(",")],
        ["--count", `${liars}`],
      ),
      { stdin: "ignore", stdout: "pipe", stderr: "inherit", timeout: 2 * CASE_TIMEOUT_MS },
    );
    for await (const text of child.stdout) {
      if (new TextDecoder().decode(text).includes("ready")) return child;
    }
    throw new Error("the evil peer ended");
  }
}

export function behaviours(): string[] {
  const { stdout } = Bun.spawnSync([process.execPath, EVIL_PEER, "--list"]);
  return stdout.toString().trim().split("\n");
}

async function main(): Promise<number> {
  const part = process.argv[2] ?? "";
  const matrix = new Matrix();
  let failed = 0;
  try {
    await matrix.prepare();
    const control = await matrix.run("", 0);
    console.log(`no liar: ${control.seconds.toFixed(1)} s, ${control.wireBytes} bytes`);
    for (const behaviour of behaviours().filter((name) => name.includes(part))) {
      const cells: string[] = [];
      for (const liars of [1, LIARS]) {
        try {
          const { seconds, wireBytes } = await matrix.run(behaviour, liars);
          const wastedBytes = Math.max(0, wireBytes - control.wireBytes) / liars;
          const isFrugal = wastedBytes <= 2 * CHUNK_MAX_BYTES;
          if (!isFrugal) failed++;
          cells.push(
            `${seconds.toFixed(1)} s, ${(wastedBytes / 1_000).toFixed(1)} kB${isFrugal ? "" : " TOO MUCH"}`,
          );
        } catch (error) {
          failed++;
          cells.push(`FAILED (${String(error).split("\n")[0]})`);
        }
      }
      console.log(`| ${behaviour} | ${cells.join(" | ")} |`);
    }
  } finally {
    matrix.remove();
  }
  console.log(failed === 0 ? "all cases passed" : `${failed} cases failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
