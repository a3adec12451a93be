/** The background mode's helper, the Worker half: one look, and a while of serving others. */
import { closeSync, constants, futimesSync, openSync } from "node:fs";
import { systemClock } from "../src/core/clock.ts";
import { HELPER_BEAT, HELPER_DONE, type HelpMessage } from "../src/patcher/protocol.ts";
import { jittered } from "../src/update/backoff.ts";
import { tryLock } from "../src/fs/lock.ts";
import { pathBeside } from "../src/fs/own-files.ts";
import { startUpdater, stopUpdater } from "./running.ts";

/**
 * Copies that are there for a moment only would have nobody to update from but the publisher. A minute in an
 * hour each makes one of sixty always there. With `upload` off nobody is served.
 */
const SERVE_MS = 60_000;

/** Sets `signal` when there is nothing left to do, whatever went wrong. */
export async function lookInBackground(message: HelpMessage): Promise<void> {
  try {
    const lock = tryLock(pathBeside(message.execPath, "helper"));
    if (lock === undefined) return;
    try {
      await look(message);
    } finally {
      lock.release();
    }
  } finally {
    Atomics.store(message.signal, HELPER_DONE, 1);
    Atomics.notify(message.signal, HELPER_DONE);
  }
}

async function look(message: HelpMessage): Promise<void> {
  const running = await startUpdater(message, {
    log: () => undefined,
    emit: () => void Atomics.add(message.signal, HELPER_BEAT, 1),
    // The next start is the new version; there is no process here to replace.
    restart: () => undefined,
  });
  if (running === undefined) return;
  try {
    const nextMs = systemClock.nowMs() + jittered(running.config.intervalMs, Math.random());
    setStamp(message.execPath, nextMs);
    await running.updater.lookOnce();
    running.journal.end(nextMs);
    if (running.config.uploadBytesPerS > 0) await sleep(SERVE_MS);
  } finally {
    await stopUpdater(running);
  }
}

function setStamp(execPath: string, nextMs: number): void {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const fd = openSync(pathBeside(execPath, "stamp"), flags, 0o600);
  try {
    futimesSync(fd, systemClock.nowMs() / 1000, nextMs / 1000);
  } finally {
    closeSync(fd);
  }
}

function sleep(delayMs: number): Promise<void> {
  // Nothing else keeps this thread's loop turning: not the clock's timer, which lets it end.
  return new Promise((resolve) => void setTimeout(resolve, delayMs));
}
