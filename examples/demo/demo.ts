/**
 * The main job, from end to end, on this machine alone: build two versions of examples/hello, start a DHT
 * on loopback, run the old version, run the new one "elsewhere", and watch the old one become the new one.
 * Exits 0 only if every step was seen.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBootstrapNode } from "../../src/swarm/bootstrap-node.ts";
import { InstalledCopy } from "./installed-copy.ts";
import { megabytes, Timeline, wantsColour } from "./timeline.ts";
import { buildHello, makeKey } from "./workshop.ts";

const HOST = "127.0.0.1";
const OLD = "1.0.0";
const NEW = "1.0.1";
const START_TIMEOUT_MS = 15_000;
const STEP_TIMEOUT_MS = 30_000;

const timeline = new Timeline(wantsColour(process.argv));
/** Undone in reverse, whatever happens. */
const cleanups: (() => Promise<unknown>)[] = [];

async function cleanUp(): Promise<void> {
  for (const undo of cleanups.splice(0).reverse()) await undo().catch(() => undefined);
}

async function sha256(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const piece of Bun.file(path).stream()) hasher.update(piece);
  return hasher.digest("hex");
}

async function startDht(): Promise<string> {
  const node = await createBootstrapNode({ host: HOST, port: 0 });
  cleanups.push(() => node.destroy());
  return `${HOST}:${node.address()?.port}`;
}

async function startCopy(path: string, directory: string, bootstrap: string) {
  const copy = await InstalledCopy.start(path, directory, bootstrap);
  cleanups.push(() => copy.stop());
  return copy;
}

async function demo(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "rustpatcher-demo-"));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));

  timeline.heading("the owner");
  const key = await makeKey(directory);
  timeline.note(`owner key made, public key ${key.publicKey}`);
  const oldRelease = await buildHello(directory, OLD, "hello from", key);
  timeline.note(`${OLD} compiled and signed, ${megabytes(Bun.file(oldRelease).size)}`);
  const newRelease = await buildHello(directory, NEW, "hello again from", key);
  timeline.note(`${NEW} compiled and signed, one line and the version differ`);

  timeline.heading("the swarm");
  const bootstrap = await startDht();
  timeline.note(`a DHT of one node on ${bootstrap}, nothing else`);
  const installed = await startCopy(oldRelease, join(directory, "machine-a"), bootstrap);
  await installed.line(new RegExp(`hello from ${OLD}, pid ${installed.pid}$`), START_TIMEOUT_MS);
  await installed.line(/serving/, START_TIMEOUT_MS);
  timeline.note(`machine A runs ${OLD}, pid ${installed.pid}`);
  const seeder = await startCopy(newRelease, join(directory, "machine-b"), bootstrap);
  await seeder.line(/serving/, START_TIMEOUT_MS);
  timeline.note(`machine B runs ${NEW}, once, as any user would`);

  timeline.heading("machine A, untouched");
  const startedS = timeline.elapsedS;
  await installed.line(new RegExp(`found ${NEW}$`), STEP_TIMEOUT_MS);
  timeline.step("found", `${NEW}, by its owner-signed record`);
  const fetched = await installed.line(
    /fetched (\d+) of \1 bytes .*\((\d+) bytes in all\)/,
    STEP_TIMEOUT_MS,
  );
  timeline.step(
    "fetched",
    `${megabytes(Number(fetched[1]))} of ${megabytes(Number(fetched[2]))}: the rest was here already`,
  );
  await installed.line(new RegExp(`verified ${NEW}$`), STEP_TIMEOUT_MS);
  timeline.step("verified", "signatures, content root, every byte");
  await installed.line(new RegExp(`replaced by ${NEW}$`), STEP_TIMEOUT_MS);
  const [before, after] = await Promise.all([sha256(newRelease), sha256(installed.path)]);
  if (before !== after) throw new Error("the installed file is not the release");
  timeline.step("replaced", `the executable is the release, sha256 ${after.slice(0, 16)}…`);
  await installed.line(
    new RegExp(`hello again from ${NEW}, pid ${installed.pid}$`),
    STEP_TIMEOUT_MS,
  );
  timeline.step("restarted", `same pid ${installed.pid}, now ${NEW}`);
  timeline.heading(
    `${(timeline.elapsedS - startedS).toFixed(1)} s from the new copy's start to the new version running`,
  );
}

process.on("SIGINT", () => {
  void cleanUp().finally(() => process.exit(130));
});

try {
  await demo();
} catch (error) {
  timeline.fail(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  await cleanUp();
}
process.exit();
