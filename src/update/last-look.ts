/**
 * How the last look for a release went, on disk beside the executable, for whoever asks while no copy runs: a
 * CBOR map
 *
 *   format   uint  1
 *   checked  uint  Unix seconds
 *   next     uint  Unix seconds: when the next look is planned
 *   mode     text  the update mode in effect
 *   code     text  an error's code, or one of Result
 *   message  text  the same, for people
 *
 * Written after every look, so not synced: after a power failure an older one, or none, is as good.
 */
import { decodeCbor, encodeCbor, type CborValue } from "../core/cbor.ts";
import { Fields } from "../core/fields.ts";
import { STATUS_FILE_MAX_BYTES, STATUS_TEXT_MAX_BYTES } from "../core/limits.ts";
import { readOwnFile, writeOwnFile } from "../fs/own-file.ts";
import type { ErrorInfo } from "./events.ts";

export interface LastLook {
  /** Unix milliseconds, whole seconds. */
  readonly checkedMs: number;
  /** Unix milliseconds, whole seconds. */
  readonly nextMs: number;
  readonly mode: string;
  readonly result: ErrorInfo;
}

const FORMAT = 1;
const MODE_MAX_BYTES = 16;
const CODE_MAX_BYTES = 64;
const SECONDS_MAX = 2 ** 32 - 1;

/** Undefined when there is none, or none that we have written. */
export function readLastLook(path: string): LastLook | undefined {
  try {
    const bytes = readOwnFile(path, STATUS_FILE_MAX_BYTES);
    return bytes === undefined ? undefined : decode(bytes);
  } catch {
    // It decides nothing: damaged is as good as not there.
    return undefined;
  }
}

function decode(bytes: Uint8Array): LastLook {
  const fields = new Fields(decodeCbor(bytes));
  fields.uint("format", FORMAT, FORMAT);
  const look: LastLook = {
    checkedMs: fields.uint("checked", SECONDS_MAX) * 1000,
    nextMs: fields.uint("next", SECONDS_MAX) * 1000,
    mode: fields.text("mode", MODE_MAX_BYTES),
    result: {
      code: fields.text("code", CODE_MAX_BYTES),
      message: fields.text("message", STATUS_TEXT_MAX_BYTES),
    },
  };
  fields.end();
  return look;
}

/** Replaces the file: whole or not at all. @throws {FsError} IO_FAILED, or the system's error */
export function writeLastLook(path: string, look: LastLook): void {
  const bytes = encodeCbor(
    new Map<string, CborValue>([
      ["format", FORMAT],
      ["checked", seconds(look.checkedMs)],
      ["next", seconds(look.nextMs)],
      ["mode", look.mode],
      ["code", look.result.code.slice(0, CODE_MAX_BYTES)],
      ["message", shortened(look.result.message)],
    ]),
  );
  writeOwnFile(path, bytes, "content");
}

function seconds(ms: number): number {
  return Math.min(SECONDS_MAX, Math.max(0, Math.floor(ms / 1000)));
}

/** No more bytes than are read back, however many a character takes. */
function shortened(text: string): string {
  const BYTES_PER_UNIT_MAX = 3;
  return text.slice(0, Math.floor(STATUS_TEXT_MAX_BYTES / BYTES_PER_UNIT_MAX)).toWellFormed();
}
