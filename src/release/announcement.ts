/** What the owner says of a release beside what it is: for whom, how urgent, what is new. */
import type { RecordAdditions } from "../core/record-additions.ts";
import { parseVersion, type ParsedVersion } from "../core/version.ts";
import { ReleaseError } from "./error.ts";

export interface Announcement {
  /** Percent of the copies that may install it now, 0 to 100; undefined: all. */
  readonly rolloutPercent?: number | undefined;
  /** Not held back by a rollout; told to the app. */
  readonly isCritical?: boolean | undefined;
  /** The lowest version that may update directly. */
  readonly from?: string | undefined;
  /** What is new: at most 4 KiB of text, without control characters. */
  readonly notes?: string | undefined;
}

const ALL_PERCENT = 100;
const PERCENT = /^([0-9]{1,3})%?$/;

/** @throws {ReleaseError} CONFIG_INVALID */
export function additionsOf(announcement: Announcement): RecordAdditions {
  const { rolloutPercent, isCritical } = announcement;
  if (rolloutPercent !== undefined && !isPercent(rolloutPercent)) throw notPercent();
  return {
    ...(rolloutPercent !== undefined && rolloutPercent < ALL_PERCENT && { rolloutPercent }),
    ...(isCritical === true && { isCritical }),
  };
}

/** @throws {CoreError} VERSION_INVALID */
export function lowestFrom({ from }: Announcement): ParsedVersion | undefined {
  return from === undefined ? undefined : parseVersion(from);
}

/** "10%" or "10". @throws {ReleaseError} CONFIG_INVALID */
export function parseRollout(text: string): number {
  const [, digits] = PERCENT.exec(text) ?? [];
  const percent = Number(digits);
  if (digits === undefined || !isPercent(percent)) throw notPercent();
  return percent;
}

function isPercent(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= ALL_PERCENT;
}

function notPercent(): ReleaseError {
  return new ReleaseError("CONFIG_INVALID", "the rollout must be a whole number from 0% to 100%", {
    blame: "usage",
  });
}
