import { fileURLToPath } from "node:url";

/**
 * Package name → absolute path of our replacement. The native packages abort (udx-native) or need a
 * writable, executable TMPDIR (sodium-native) in Bun, so they must not be reached from anywhere.
 */
export const REPLACEMENTS: ReadonlyMap<string, string> = new Map([
  ["udx-native", sibling("./udx-native.cts")],
  ["sodium-native", sibling("./sodium.ts")],
  ["sodium-universal", sibling("./sodium.ts")],
]);

function sibling(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
