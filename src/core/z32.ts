/** z-base-32 (Zooko O'Whielacronx, 2002): 5 bits a character, most significant first, no padding. */
const ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769";
const VALUES = new Map(Array.from(ALPHABET, (char, value) => [char, value] as const));

export function encodeZ32(bytes: Uint8Array): string {
  let out = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += ALPHABET.charAt((held >>> bits) & 31);
    }
    held &= (1 << bits) - 1;
  }
  if (bits > 0) out += ALPHABET.charAt((held << (5 - bits)) & 31);
  return out;
}

/**
 * The one canonical spelling only: a character outside the alphabet (upper case included), a length no
 * whole number of bytes has, or a left-over bit that is set gives undefined. Two spellings of one key
 * would let it pass a comparison of text.
 */
export function tryDecodeZ32(text: string): Uint8Array | undefined {
  const sizeBytes = Math.floor((text.length * 5) / 8);
  if (Math.ceil((sizeBytes * 8) / 5) !== text.length) return undefined;
  const out = new Uint8Array(sizeBytes);
  let bits = 0;
  let held = 0;
  let offset = 0;
  for (const char of text) {
    const value = VALUES.get(char);
    if (value === undefined) return undefined;
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out[offset++] = (held >>> bits) & 255;
      held &= (1 << bits) - 1;
    }
  }
  return held === 0 ? out : undefined;
}
