/** The files that lie beside an executable, all of them called like it: ARCHITECTURE, section 8. */
export type OwnFile =
  /** The version before the installed one. */
  | "previous"
  /** Older versions, as differences. */
  | "older"
  /** What is believed about releases. */
  | "state"
  /** Which channel is followed in place of the executable's own: followed-channel.ts. */
  | "channel"
  /** Held by the copy that is updating. */
  | "lock"
  /** How the installed version is doing: pending.ts. */
  | "pending"
  /** Ways into the swarm: contacts-file.ts. */
  | "contacts"
  /** An unfinished new version. */
  | "partial"
  /** When the background mode looks next: stamp.ts. */
  | "stamp"
  /** How the last look went: last-look.ts. */
  | "status"
  /** Held by the background mode's process. */
  | "helper"
  /** On Windows, asks whoever waits for this process to start it again: restart-windows.ts. */
  | "restart";

const RANDOM_BYTES = 8;

/** `executable` is absolute. */
export function pathBeside(executable: string, what: OwnFile): string {
  return beside(executable, `rustpatcher-${what}`);
}

/**
 * For what nobody needs and cannot be removed yet: called like a temporary file of an update, so that the next
 * sweep clears it away.
 */
export function leftoverPath(executable: string): string {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)).toHex();
  return beside(executable, `update.${random}.rustpatcher-tmp`);
}

function beside(executable: string, suffix: string): string {
  // By hand: this runs at every start of the app, which node:path would make slower.
  const at = Math.max(executable.lastIndexOf("/"), executable.lastIndexOf("\\")) + 1;
  return `${executable.slice(0, at)}.${executable.slice(at)}.${suffix}`;
}
