/**
 * A real program in the middle of a download is left alone for an hour: everybody who has the release is killed, or its own
 * cable is pulled. Then others come, under other keys and ports, with the same release or, after the cable, a newer one. It
 * goes on with what was there, within two minutes. Its hour is a minute of ours; the time of day stays the real one.
 *
 *   bun test/attacks/absence.ts <gone|offline> [--restarted] [--minutes 60]     exits 1 when it is not so
 *
 * `offline` is for root: the cable is between two network namespaces.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { toHex } from "../../src/core/bytes.ts";
import { PIECE_MAX_BYTES } from "../../src/core/limits.ts";
import type { AppEvent, AppProcess } from "../helpers/app-process.ts";
import { blobApp } from "../helpers/blob-app.ts";
import { E2eReleases, E2eWorld } from "../helpers/e2e-world.ts";
import { scratchDirectory } from "../helpers/scratch.ts";
import { digestOf } from "../helpers/installed.ts";
import { noise } from "../helpers/release.ts";
import { enterOwnNetwork, HOST, OtherHost } from "./two-hosts.ts";

const BLOB_BYTES = 4_000_000;
const MORE_BYTES = 1_000_000;
const UPLOAD_BYTES_PER_S = 500_000;
const LIFETIME_MS = 300_000;
/** So much of it has come before the others are gone. */
const PIECES = 20;
/** Seconds in one of ours, while nobody is there and afterwards. */
const ALONE_SPEED = 60;
const BACK_SPEED = 5;
/** In the program's time: what it may take from the others' return to the first piece. */
const BACK_MAX_S = 120;
const FINISH_TIMEOUT_MS = 90_000;

export interface AbsenceOptions {
  readonly kind: "gone" | "offline";
  /** Is the program killed and started again while it is alone? */
  readonly isRestarted: boolean;
  /** Of its time. */
  readonly minutes: number;
}

export interface Absence {
  /** How often the program has said that nobody has the release, since it was started last. */
  readonly complaints: number;
  /** Seconds of the program's time from the others' return to the first piece. */
  readonly waitedS: number;
  /** Verified before. */
  readonly keptBytes: number;
  /** Of those, verified again afterwards. */
  readonly againBytes: number;
  /** Verified afterwards in all. */
  readonly laterBytes: number;
}

/** Throws when the program does not become the newest version in the end. */
export async function leftAlone(options: AbsenceOptions): Promise<Absence> {
  const { kind, isRestarted, minutes } = options;
  const other = kind === "offline" ? await OtherHost.create() : undefined;
  const releases = new E2eReleases();
  const world = await E2eWorld.create(releases, other === undefined ? undefined : HOST);
  try {
    const worker = "test/attacks/telling-worker.ts";
    const old = await releases.get({
      version: "1.0.0",
      source: blobApp("one", 1, BLOB_BYTES),
      worker,
    });
    const next = await releases.get({ version: "1.0.1", source: blobApp("two", 2, BLOB_BYTES) });
    const last = other === undefined ? next : await releases.get(newer());
    const speedPath = join(world.folder("clock"), "speed");
    const hurry = (speed: number): void => writeFileSync(speedPath, String(speed));
    const path = world.copy(old);
    const start = (): Promise<AppProcess> =>
      world.run(path, {
        lifetimeMs: LIFETIME_MS,
        prefix: other?.prefix ?? [],
        env: { TEST_SPEED: speedPath, RUSTPATCHER_INTERVAL: "60" },
      });

    hurry(1);
    const leave = [await serve(world, next, other), await serve(world, next, other)];
    let program = await start();
    await program.event("piece-verified", PIECES);
    other?.plug(false);
    for (const one of leave) await one();
    const kept = chunksOf(world, next, program.events);
    hurry(ALONE_SPEED);
    const aloneMs = (minutes * 60_000) / ALONE_SPEED;
    if (isRestarted) {
      await Bun.sleep(aloneMs / 2);
      await program.kill();
      program = await start();
      await Bun.sleep(aloneMs / 2);
    } else await Bun.sleep(aloneMs);
    const complaints = program.all("error").filter(({ code }) => code === "NO_PROVIDER").length;
    const before = program.events.length;

    await serve(world, last, other);
    other?.plug(true);
    hurry(BACK_SPEED);
    const backMs = performance.now();
    const since = (): AppEvent[] => program.events.slice(before);
    const isMoving = (): boolean => since().some(({ name }) => name === "piece-verified");
    await program.until(isMoving, "the first piece", FINISH_TIMEOUT_MS);
    const waitedS = ((performance.now() - backMs) / 1_000) * BACK_SPEED;
    hurry(1);
    await program.event("start", 2, FINISH_TIMEOUT_MS);
    if (digestOf(path) !== digestOf(last)) throw new Error("not the right file");
    const later = chunksOf(world, last, since());
    const again = new Map([...later].filter(([hash]) => kept.has(hash)));
    return {
      complaints,
      waitedS,
      keptBytes: bytesOf(kept),
      againBytes: bytesOf(again),
      laterBytes: bytesOf(later),
    };
  } finally {
    await world.destroy();
    await other?.destroy();
    releases.remove();
  }
}

/** Whether it is as it should be. */
export function isRight({ waitedS, keptBytes, againBytes, laterBytes }: Absence): boolean {
  return waitedS <= BACK_MAX_S && keptBytes > 0 && againBytes <= PIECE_MAX_BYTES && laterBytes > 0;
}

/** All that 1.0.1 has, and more. */
function newer(): { version: string; source: string } {
  const more = `globalThis.more = ${JSON.stringify(noise(MORE_BYTES, 3).toBase64())};\n`;
  return { version: "1.0.2", source: more + blobApp("three", 2, BLOB_BYTES) };
}

/** Somebody who has it: another copy, or where a machine of its own is needed, a provider there. Resolves with how it leaves. */
async function serve(
  world: E2eWorld,
  path: string,
  other: OtherHost | undefined,
): Promise<() => Promise<void>> {
  if (other === undefined) {
    const env = { RUSTPATCHER_UPLOAD: `${UPLOAD_BYTES_PER_S / 1_000} KB/s` };
    const copy = await world.run(world.copy(path), { lifetimeMs: LIFETIME_MS, env });
    return () => copy.kill();
  }
  const holding = world.holding(path);
  const provider = await world.provider(holding.record, holding, UPLOAD_BYTES_PER_S);
  return () => provider.destroy();
}

/** Of the pieces that were verified: hash → bytes of each chunk. */
function chunksOf(world: E2eWorld, path: string, events: readonly AppEvent[]): Map<string, number> {
  const { table } = world.holding(path);
  const chunks = new Map<string, number>();
  for (const { name, at, count } of events) {
    if (name !== "piece-verified") continue;
    for (let chunk = Number(at); chunk < Number(at) + Number(count); chunk++) {
      chunks.set(toHex(table.hashOf(chunk)), table.rangeOf(chunk).sizeBytes);
    }
  }
  return chunks;
}

function bytesOf(chunks: ReadonlyMap<string, number>): number {
  return [...chunks.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
}

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { restarted: { type: "boolean" }, minutes: { type: "string" } },
  });
  const [kind] = positionals;
  if (kind !== "gone" && kind !== "offline") throw new Error("gone or offline?");
  if (kind === "offline") enterOwnNetwork();
  scratchDirectory("absence");
  const { restarted: isRestarted = false, minutes = "60" } = values;
  const absence = await leftAlone({ kind, isRestarted, minutes: Number(minutes) });
  console.log(absence);
  return isRight(absence) ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
