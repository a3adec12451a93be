/**
 * Whose certificate a macOS code signature was made with, in the words of the certificate itself: for people to
 * read. Nobody has checked it here, and nothing is decided by it; that is for macOS.
 */
import { Reader } from "../core/reader.ts";

/** DER: an object identifier of three bytes, 2.5.4.3, commonName (RFC 5280, appendix A.1). */
const COMMON_NAME = Buffer.from([0x06, 0x03, 0x55, 0x04, 0x03]);
const UTF8_STRING = 0x0c;
const PRINTABLE_STRING = 0x13;
/** Longer ones have a length of several bytes; names of certificates have at most 64 characters. */
const SHORT_LENGTH_MAX = 0x7f;
/** As Apple names what it issues: the signer's certificate, not those above it. */
const SIGNERS =
  /^(?:Developer ID Application|Apple Development|Apple Distribution|Mac Developer): /;

/** The signer's name in `cms` (RFC 5652); without one of Apple's, the first name there is. */
export function certificateName(cms: Uint8Array): string | undefined {
  const names = commonNames(Buffer.from(cms.buffer, cms.byteOffset, cms.byteLength));
  return names.find((name) => SIGNERS.test(name)) ?? names[0];
}

function commonNames(cms: Buffer): string[] {
  const names: string[] = [];
  for (let at = cms.indexOf(COMMON_NAME); at >= 0; at = cms.indexOf(COMMON_NAME, at + 1)) {
    const name = textAt(cms.subarray(at + COMMON_NAME.length));
    if (name !== undefined) names.push(name);
  }
  return names;
}

function textAt(bytes: Uint8Array): string | undefined {
  if (bytes.length < 2) return undefined;
  const reader = new Reader(bytes);
  const tag = reader.u8();
  const sizeBytes = reader.u8();
  if (tag !== UTF8_STRING && tag !== PRINTABLE_STRING) return undefined;
  if (sizeBytes > SHORT_LENGTH_MAX || sizeBytes > reader.remaining) return undefined;
  const text = new TextDecoder().decode(reader.bytes(sizeBytes));
  // It goes to a terminal: letters, digits, punctuation and spaces, or nothing.
  return /^[\p{L}\p{N}\p{P}\p{Zs}\p{Sc}\p{Sm}]+$/u.test(text) ? text : undefined;
}
