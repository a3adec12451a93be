import type { UpdateEvent } from "../src/update/events.ts";

/** One line for RUSTPATCHER_LOG=info; undefined for what is said elsewhere or comes all the time. */
export function eventText(event: UpdateEvent): string | undefined {
  switch (event.name) {
    case "checking":
    // The updater says errors, rollbacks and withdrawals itself, and repeated ones only once.
    case "error":
    case "rolled-back":
    case "withdrawn":
      return undefined;
    case "available":
      return `found ${event.release.version}`;
    case "progress": {
      const { version, doneBytes, totalBytes, sizeBytes } = event.progress;
      return `fetched ${doneBytes} of ${totalBytes} bytes of ${version} (${sizeBytes} bytes in all)`;
    }
    case "verified":
      return `verified ${event.release.version}`;
    case "applied":
      return `replaced by ${event.release.version}`;
    case "restarting":
      return `restarting into ${event.release.version}`;
  }
}
