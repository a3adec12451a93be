import { fileURLToPath } from "node:url";

/**
 * Package name → absolute path of our replacement. The native packages abort (udx-native) or need a
 * writable, executable TMPDIR (sodium-native) in Bun, so they must not be reached from anywhere.
 */
export const REPLACEMENTS: ReadonlyMap<string, string> = new Map([
  ["udx-native", sibling("./udx-native.cts")],
  ["sodium-native", sibling("./sodium.ts")],
  ["sodium-universal", sibling("./sodium.ts")],
  // Nothing native: key agreement that remembers what it may.
  ["noise-curve-ed", sibling("./noise-curve-ed.ts")],
  ["noise-handshake", sibling("./noise-handshake.cts")],
  ["@hyperswarm/secret-stream", sibling("./secret-stream.cts")],
  // Nor here: connections that are idle together wake up together.
  ["timeout-refresh", sibling("./timeout-refresh.cts")],
]);

function sibling(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
