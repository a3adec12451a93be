/**
 * The background mode's helper: this executable once more, which looks for a release, installs it and ends. Like
 * a rehearsal it never gets to the app's own code: modules beside ours would not wait for a promise, so this
 * thread sleeps until the Worker is done, and wakes up now and then to see that it gets on.
 */
import type { setPriority } from "node:os";
import { ownAssets } from "../src/patcher/assets.ts";
import { HELPER_VARIABLE } from "../src/patcher/background.ts";
import { startFacts } from "../src/patcher/process-facts.ts";
import {
  HELPER_BEAT,
  HELPER_DONE,
  type StartMessage,
  type ToWorker,
} from "../src/patcher/protocol.ts";

/** Whatever waits in the Worker gives up earlier; this is for one that hangs. */
const IDLE_MAX_MS = 300_000;
/** However slowly it gets on: 110 MB at 8 KiB/s. */
const TOTAL_MAX_MS = 4 * 3_600_000;
const LOWEST_PRIORITY = 19;

export function helpInBackground(): void {
  const text = startFacts.env[HELPER_VARIABLE];
  if (text === undefined || !Bun.isMainThread) return;
  try {
    help(JSON.parse(text) as StartMessage);
  } catch {
    // Nobody would read it.
  }
  process.exit(0);
}

function help(start: StartMessage): void {
  beModest();
  const signal = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const worker = new Worker(ownAssets().workerPath, { name: "rustpatcher" });
  const message: ToWorker = { ...start, type: "help", execPath: startFacts.execPath, signal };
  worker.postMessage(message);
  const endMs = performance.now() + TOTAL_MAX_MS;
  for (;;) {
    const beat = Atomics.load(signal, HELPER_BEAT);
    if (Atomics.wait(signal, HELPER_DONE, 0, IDLE_MAX_MS) !== "timed-out") return;
    if (Atomics.load(signal, HELPER_BEAT) === beat || performance.now() > endMs) return;
  }
}

/** Threads inherit it: before the Worker is started. */
function beModest(): void {
  try {
    const os = process.getBuiltinModule("node:os") as { setPriority: typeof setPriority };
    os.setPriority(LOWEST_PRIORITY);
  } catch {
    // Then it is as busy as any other.
  }
}
