import { CoreError } from "./core-error.ts";

/** Below this a getter would take a copy for dead: one piece has to come every few seconds. */
const MIN_BYTES_PER_S = 20_000;
const UNITS: Readonly<Record<string, number>> = { KB: 1_000, MB: 1_000_000 };
const RATE = /^([1-9][0-9]{0,4}) ?(KB|MB)\/s$/;

/**
 * What a copy sends to others, in bytes per second: "unlimited" is Infinity, "off" is 0 and means that it
 * serves nobody. Otherwise "500 KB/s" or "2 MB/s", at least 20 KB/s.
 * @throws {CoreError} FIELD_INVALID
 */
export function parseUploadRate(text: string): number {
  if (text === "off") return 0;
  if (text === "unlimited") return Infinity;
  const [, count, unit] = RATE.exec(text) ?? [];
  const bytesPerS = Number(count) * (UNITS[unit ?? ""] ?? Number.NaN);
  if (bytesPerS >= MIN_BYTES_PER_S) return bytesPerS;
  throw new CoreError(
    "FIELD_INVALID",
    `"${text.slice(0, 40)}" is not an upload rate: write off, unlimited, or a rate from 20 KB/s, such as 500 KB/s or 2 MB/s`,
    { blame: "usage" },
  );
}
