/**
 * How elements of field25519.ts lie in memory, and the instructions that its WebAssembly is written in.
 *
 * An element is ten limbs of alternately 26 and 25 bits, signed (D. J. Bernstein, Curve25519, PKC 2006, and ref10 of
 * SUPERCOP): value = Σ limb[i] · 2^⌈25.5·i⌉.
 */
import { sleb, uleb } from "./wasm-binary.ts";

export const LIMBS = 10;
export const LIMB_BYTES = 4;
/** Distance of two elements in memory. */
export const ELEMENT_BYTES = 64;
/** 2^255 modulo P. */
export const NINETEEN = 19;

/** Bits below a limb. */
export function firstBit(limb: number): number {
  return Math.ceil(25.5 * limb);
}

export function limbBits(limb: number): number {
  return limb % 2 === 0 ? 26 : 25;
}

export function eachLimb(code: (limb: number) => readonly number[]): number[] {
  return Array.from({ length: LIMBS }, (_, limb) => code(limb)).flat();
}

// Parameters of all functions; what follows them differs.
export const TARGET = 0;
export const A = 1;
export const B = 2;
/** First local of the n-th set of limbs. */
export const limbsAt = (n: number): number => 3 + LIMBS * n;

// Core specification 2.0, section 5.4.
export const get = (local: number): number[] => [0x20, ...uleb(local)];
export const set = (local: number): number[] => [0x21, ...uleb(local)];
export const tee = (local: number): number[] => [0x22, ...uleb(local)];
export const call = (index: number): number[] => [0x10, index];

export const i32 = (value: number): number[] => [0x41, ...sleb(value)];
export const I32_ADD = 0x6a;
export const I32_SUB = 0x6b;
export const I32_AND = 0x71;
export const I32_SHIFT_RIGHT = 0x76;
/** Four bytes, however they are aligned. */
export const loadI32 = (pointer: number, offset: number): number[] => [
  ...get(pointer),
  0x28,
  0,
  offset,
];
export const storeI32 = (offset: number): number[] => [0x36, 2, offset];

export const i64 = (value: number): number[] => [0x42, ...sleb(value)];
export const ADD = 0x7c;
export const SUB = 0x7d;
export const MUL = 0x7e;
export const SHIFT_LEFT = 0x86;
export const SHIFT_RIGHT = 0x87;
/** A limb, as 64 bits. */
export const load = (pointer: number, limb: number): number[] => [
  ...get(pointer),
  0x34,
  2,
  LIMB_BYTES * limb,
];
