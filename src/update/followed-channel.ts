/**
 * The channel that is followed in place of an executable's own, by the app's wish: a text beside the
 * executable, three lines,
 *
 *   rustpatcher-channel 1
 *   <channel of the executable that was asked>
 *   <channel to follow>
 *
 * It holds for executables of the first channel alone. Once a release of the other one is installed, that one's
 * own channel is the one to follow; when it is taken back, the wish holds again.
 */
import { rmSync } from "node:fs";
import { checkName } from "../core/release-record.ts";
import { readOwnFile, writeOwnFile } from "../fs/own-file.ts";

const FIRST_LINE = "rustpatcher-channel 1";
/** Three lines with two names. */
const MAX_BYTES = 256;

/** Undefined when there is no wish, or none for executables of the channel `own`. */
export function readFollowedChannel(path: string, own: string): string | undefined {
  try {
    const bytes = readOwnFile(path, MAX_BYTES);
    if (bytes === undefined) return undefined;
    const [first, from, to = "", end, ...rest] = new TextDecoder().decode(bytes).split("\n");
    const isWhole = first === FIRST_LINE && end === "" && rest.length === 0;
    return isWhole && from === own ? checkName(to, "channel") : undefined;
  } catch {
    // Somebody else's, or damaged: as if there were none.
    return undefined;
  }
}

/**
 * Replaces the file: whole or not at all. The caller holds the lock, and names were checked.
 * @throws {FsError} IO_FAILED, or the system's error.
 */
export function writeFollowedChannel(path: string, own: string, followed: string): void {
  if (own === followed) return rmSync(path, { force: true });
  const text = `${FIRST_LINE}\n${own}\n${followed}\n`;
  writeOwnFile(path, new TextEncoder().encode(text), "nothing");
}
