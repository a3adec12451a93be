import type { SecretSeed } from "../core/brand.ts";
import { utf8 } from "../core/bytes.ts";
import { keyText } from "../core/keys.ts";
import { forEachPiece, type ByteSource } from "../core/source.ts";
import { ReleaseError } from "./error.ts";

/** 32 bytes are 42 whole characters of base64 and one that depends on what follows. */
const BASE64_WHOLE_CHARACTERS = 42;

interface Spelling {
  readonly name: string;
  readonly bytes: Uint8Array;
}

function spellings(seed: SecretSeed): Spelling[] {
  const base64 = (alphabet: "base64" | "base64url"): Uint8Array =>
    utf8(seed.toBase64({ alphabet }).slice(0, BASE64_WHOLE_CHARACTERS));
  return [
    // Also finds the 64-byte form of libsodium, which begins with the seed.
    { name: "raw bytes", bytes: seed },
    { name: "hexadecimal", bytes: utf8(seed.toHex()) },
    { name: "hexadecimal", bytes: utf8(seed.toHex().toUpperCase()) },
    { name: "base64", bytes: base64("base64") },
    { name: "base64", bytes: base64("base64url") },
    { name: "z-base-32", bytes: utf8(keyText(seed)) },
  ];
}

/**
 * Refuses an executable that carries the key it is to be signed with: whoever downloads it would own
 * every installed copy.
 * @throws {ReleaseError} KEY_INSIDE, with the offset and the spelling, never with the key.
 */
export function refuseSecretInside(source: ByteSource, seed: SecretSeed): void {
  const wanted = spellings(seed);
  const overlap = Math.max(...wanted.map(({ bytes }) => bytes.length)) - 1;
  let tail: Uint8Array = new Uint8Array(0);
  forEachPiece(source, (piece, offset) => {
    const window = Buffer.concat([tail, piece]);
    for (const { name, bytes } of wanted) {
      const at = window.indexOf(bytes);
      if (at >= 0) throw inside(name, offset - tail.length + at);
    }
    tail = Uint8Array.from(window.subarray(Math.max(0, window.length - overlap)));
  });
}

function inside(spelling: string, offset: number): ReleaseError {
  return new ReleaseError(
    "KEY_INSIDE",
    `the secret owner key stands in this executable as ${spelling} at offset ${offset}: remove it from the app's sources and assets, and make a new key`,
    { blame: "usage", offset, spelling },
  );
}
