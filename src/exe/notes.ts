/**
 * Release notes: text in the extension of the region, whose digest the record signs. So any peer can hand
 * them out before the download, and what is shown is what the owner wrote.
 *
 *   u16 LE   bytes of the text
 *   …        the text in UTF-8, one zstd frame
 */
import { concat, equal, u16le } from "../core/bytes.ts";
import { sha256 } from "../core/hash.ts";
import { NOTES_MAX_BYTES } from "../core/limits.ts";
import { Reader } from "../core/reader.ts";
import { SHORT_DIGEST_BYTES } from "../core/record-additions.ts";
import type { ReleaseRecord } from "../core/release-record.ts";
import { compress, decompress } from "../content/zstd.ts";
import { ExeError } from "./error.ts";
import type { Extension } from "./extension.ts";

/**
 * Anything that a terminal or a browser would act on instead of showing it: control characters but tab and
 * newline, line separators, and what turns the direction of text around.
 */
const UNSHOWN = /[^\P{Cc}\t\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u;
const LEVEL = 19;

/** Of the coded form, with its digest for the record. */
export interface CodedNotes {
  readonly coded: Uint8Array;
  /** 16 bytes. */
  readonly digest: Uint8Array;
}

/** @throws {ExeError} NOTES_INVALID when the text is too long or has characters that do something. */
export function encodeNotes(text: string): CodedNotes {
  const plain = text.replaceAll("\r\n", "\n").trim();
  const bytes = new TextEncoder().encode(plain);
  if (bytes.length > NOTES_MAX_BYTES) {
    throw invalid(`they have ${bytes.length} bytes, and there may be ${NOTES_MAX_BYTES}`);
  }
  if (plain === "") throw invalid("they are empty");
  if (!isShowable(plain)) throw invalid("they have control characters");
  const coded = concat(u16le(bytes.length), compress(bytes, undefined, LEVEL));
  return { coded, digest: digestOf(bytes) };
}

/** The notes in this extension, if they are those that `record` has signed; else undefined. */
export function notesIn(extension: Extension, { x }: ReleaseRecord): string | undefined {
  if (x.notes === undefined || extension.notes === undefined) return undefined;
  const bytes = tryDecode(extension.notes);
  if (bytes === undefined || !equal(digestOf(bytes), x.notes)) return undefined;
  const text = new TextDecoder().decode(bytes);
  return isShowable(text) ? text : undefined;
}

/** Of notes that were coded earlier; undefined when they cannot be read. */
export function digestOfCoded(coded: Uint8Array): Uint8Array | undefined {
  const bytes = tryDecode(coded);
  return bytes && digestOf(bytes);
}

function tryDecode(coded: Uint8Array): Uint8Array | undefined {
  try {
    const reader = new Reader(coded);
    const sizeBytes = reader.u16le();
    if (sizeBytes > NOTES_MAX_BYTES) return undefined;
    return decompress(reader.bytes(reader.remaining), sizeBytes);
  } catch {
    // Not what we write: there are no notes.
    return undefined;
  }
}

function isShowable(text: string): boolean {
  return text.isWellFormed() && !UNSHOWN.test(text);
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes).slice(0, SHORT_DIGEST_BYTES);
}

function invalid(reason: string): ExeError {
  return new ExeError("NOTES_INVALID", `the release notes cannot be signed: ${reason}`, {
    blame: "usage",
  });
}
