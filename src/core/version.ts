import { CoreError } from "./core-error.ts";
import { VERSION_MAX_BYTES } from "./limits.ts";

/**
 * A version as semver.org 2.0.0 writes it, without build metadata (it has no place in the order, and two
 * releases of equal precedence would both be "newest"). At most 16 ASCII bytes, canonical spelling only.
 */
export interface ParsedVersion {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Empty for a release. */
  readonly prerelease: readonly (number | string)[];
}

const VERSION =
  /^(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?$/;
/** The Rust ancestor keeps each part in an i32; a larger one would be unreadable to it. */
const PART_MAX = 0x7fff_ffff;

export function tryParseVersion(text: string): ParsedVersion | undefined {
  if (text.length > VERSION_MAX_BYTES) return undefined;
  const match = VERSION.exec(text);
  if (match === null || match[0].length !== text.length) return undefined;
  const [major, minor, patch] = [match[1], match[2], match[3]].map(Number);
  if (major === undefined || minor === undefined || patch === undefined) return undefined;
  if (major > PART_MAX || minor > PART_MAX || patch > PART_MAX) return undefined;
  const identifiers = match[4]?.split(".") ?? [];
  const prerelease = identifiers.map((id) => (/^[0-9]+$/.test(id) ? Number(id) : id));
  return { text, major, minor, patch, prerelease };
}

/** @throws {CoreError} VERSION_INVALID for anything but the canonical spelling. */
export function parseVersion(text: string): ParsedVersion {
  const version = tryParseVersion(text);
  if (version === undefined) {
    throw new CoreError(
      "VERSION_INVALID",
      `"${text.slice(0, 40)}" is not a version: write MAJOR.MINOR.PATCH (optionally -PRERELEASE), at most ${VERSION_MAX_BYTES} characters`,
      { blame: "usage" },
    );
  }
  return version;
}

function compareIdentifiers(a: number | string, b: number | string): number {
  if (typeof a === "number") return typeof b === "number" ? a - b : -1;
  if (typeof b === "number") return 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Negative, zero, positive as `a` is below, equal to, above `b`. Semver 2.0.0 clause 11. */
export function compareVersions(a: ParsedVersion, b: ParsedVersion): number {
  const numbers = a.major - b.major || a.minor - b.minor || a.patch - b.patch;
  if (numbers !== 0) return numbers;
  if (a.prerelease.length === 0 || b.prerelease.length === 0) {
    return b.prerelease.length - a.prerelease.length;
  }
  for (const [index, id] of a.prerelease.entries()) {
    const other = b.prerelease[index];
    if (other === undefined) return 1;
    const order = compareIdentifiers(id, other);
    if (order !== 0) return order;
  }
  return a.prerelease.length - b.prerelease.length;
}
