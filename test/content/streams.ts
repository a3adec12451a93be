/** Streams to cut, edit and send: text, and something that resembles code. */
import { concat } from "../../src/core/bytes.ts";
import { noise } from "../helpers/release.ts";

const WORDS = ["const", "value", "return", "function", "chunk", "offset", "=>", "(", ")", "{", "}"];

/** Words of few kinds with a name of its own now and then: it can be compressed, and repeats little. */
export function prose(sizeBytes: number, salt: number): Uint8Array {
  const random = noise(sizeBytes, salt);
  let text = "";
  for (let i = 0; text.length < sizeBytes; i++) {
    const pick = random[i] ?? 0;
    text += `${WORDS[pick % WORDS.length]}${pick > 200 ? `_${pick}${i}\n` : " "}`;
  }
  return new TextEncoder().encode(text).slice(0, sizeBytes);
}

/** 4-byte addresses every 40 bytes, as in machine code; all of them are `shift` higher. */
export function machineCode(sizeBytes: number, shift: number): Uint8Array {
  const code = noise(sizeBytes, 5).slice();
  const view = new DataView(code.buffer);
  for (let at = 0; at + 4 <= sizeBytes; at += 40) view.setUint32(at, 0x40_0000 + at + shift, true);
  return code;
}

export interface Edit {
  /** Share of the length, from 0 to 1. */
  readonly at: number;
  readonly removed: number;
  readonly inserted: Uint8Array;
}

export function edited(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  let out = bytes;
  for (const { at, removed, inserted } of edits) {
    const offset = Math.floor(at * out.length);
    out = concat(out.subarray(0, offset), inserted, out.subarray(offset + removed));
  }
  return out;
}
