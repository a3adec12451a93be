/**
 * The two hot functions of field25519.ts in WebAssembly, assembled at load like chacha20-simd.ts.
 *
 * An element is ten limbs of alternately 26 and 25 bits, signed (D. J. Bernstein, Curve25519, PKC 2006, and ref10 of
 * SUPERCOP): value = Σ limb[i] · 2^⌈25.5·i⌉. Products of limbs i and j count for limb i + j: twice if both are odd, for
 * then 25.5·(i + j) was rounded up twice, and 19 times where i + j ≥ 10, since 2^255 = 19.
 */
import { assembleModule, I64, sleb, uleb, type WasmFunction } from "./wasm-binary.ts";

export const LIMBS = 10;
export const LIMB_BYTES = 4;
/** Distance of two elements in memory. */
export const ELEMENT_BYTES = 64;
export const NINETEEN = 19;
const PAGES = 1;

type Operation = (target: number, a: number, b: number) => void;

export interface FieldKernel {
  readonly memory: WebAssembly.Memory;
  /** target = a · b, addresses of elements. Limbs of up to 27 and 26 bits. */
  readonly mul: Operation;
  /** target = a^(2^count). */
  readonly square: (target: number, a: number, count: number) => void;
}

export function createFieldKernel(): FieldKernel {
  const binary = assembleModule(PAGES, [productFunction(), squareFunction()]);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary));
  return exports as unknown as FieldKernel;
}

/** Bits below a limb. */
export function firstBit(limb: number): number {
  return Math.ceil(25.5 * limb);
}

export function limbBits(limb: number): number {
  return limb % 2 === 0 ? 26 : 25;
}

// Parameters of both functions; what follows them differs.
const TARGET = 0;
const A = 1;
const B = 2;
/** First local of the n-th set of limbs. */
const limbsAt = (n: number): number => 3 + LIMBS * n;

const get = (local: number): number[] => [0x20, ...uleb(local)];
const set = (local: number): number[] => [0x21, ...uleb(local)];
const tee = (local: number): number[] => [0x22, ...uleb(local)];
const i64 = (value: number): number[] => [0x42, ...sleb(value)];
const ADD = 0x7c;
const SUB = 0x7d;
const MUL = 0x7e;
const SHIFT_LEFT = 0x86;
const SHIFT_RIGHT = 0x87;

const load = (pointer: number, limb: number): number[] => [
  ...get(pointer),
  0x34,
  2,
  LIMB_BYTES * limb,
];

function eachLimb(code: (limb: number) => readonly number[]): number[] {
  return Array.from({ length: LIMBS }, (_, limb) => code(limb)).flat();
}

/** h[i + 1] += ⌊h[i] / 2^bits⌉, and h[i] keeps the rest. */
function carry(h: number, limb: number, spare: number): number[] {
  const bits = limbBits(limb);
  const next = (limb + 1) % LIMBS;
  const rounded = [
    get(h + limb),
    i64(2 ** (bits - 1)),
    [ADD],
    i64(bits),
    [SHIFT_RIGHT],
    tee(spare),
  ];
  const around = next === 0 ? [i64(NINETEEN), [MUL]] : [];
  const carried = [get(h + next), [ADD], set(h + next)];
  const rest = [get(h + limb), get(spare), i64(bits), [SHIFT_LEFT, SUB], set(h + limb)];
  return [rounded, around, carried, rest].flat(2);
}

/** Two chains at once, as ref10 does, so that no limb exceeds its bits by more than a little. */
function reduce(h: number, spare: number): number[] {
  return [0, 4, 1, 5, 2, 6, 3, 7, 4, 8, 9, 0].flatMap((limb) => carry(h, limb, spare));
}

function store(h: number): number[] {
  return eachLimb((limb) => [...get(TARGET), ...get(h + limb), 0x3e, 2, LIMB_BYTES * limb]);
}

function productFunction(): WasmFunction {
  const f = limbsAt(0);
  const g = limbsAt(1);
  const g19 = limbsAt(2);
  const h = limbsAt(3);
  const spare = h + LIMBS;
  const code = [
    ...eachLimb((i) => [...load(A, i), ...set(f + i)]),
    ...eachLimb((i) => [...load(B, i), ...tee(g + i), ...i64(NINETEEN), MUL, ...set(g19 + i)]),
    ...eachLimb((k) => [
      ...Array.from({ length: LIMBS }, (_, i) => {
        const j = (k - i + LIMBS) % LIMBS;
        const product = [...get(f + i), ...get((i + j < LIMBS ? g : g19) + j), MUL];
        const counted = i % 2 === 1 && j % 2 === 1 ? [...product, ...i64(1), SHIFT_LEFT] : product;
        return i === 0 ? counted : [...counted, ADD];
      }).flat(),
      ...set(h + k),
    ]),
    ...reduce(h, spare),
    ...store(h),
  ];
  return { name: "mul", locals: [[4 * LIMBS + 1, I64]], code };
}

/** As the product, each pair of different limbs once; B counts the turns. */
function squareFunction(): WasmFunction {
  const f = limbsAt(0);
  const f2 = limbsAt(1);
  const f19 = limbsAt(2);
  const f38 = limbsAt(3);
  const h = limbsAt(4);
  const spare = h + LIMBS;
  const pair = (i: number, j: number): number[] => {
    const twice = i === j ? 1 : 2;
    const factor = twice * (i % 2 === 1 && j % 2 === 1 ? 2 : 1);
    const isHigh = i + j >= LIMBS;
    const left = factor === 1 ? f : f2;
    const right = factor === 4 ? (isHigh ? f38 : f2) : isHigh ? f19 : f;
    return [...get(left + i), ...get(right + j), MUL];
  };
  const turn = [
    ...eachLimb((i) => [
      ...get(f + i),
      ...i64(1),
      SHIFT_LEFT,
      ...set(f2 + i),
      ...get(f + i),
      ...i64(NINETEEN),
      MUL,
      ...tee(f19 + i),
      ...i64(1),
      SHIFT_LEFT,
      ...set(f38 + i),
    ]),
    ...eachLimb((k) => {
      const pairs: number[][] = [];
      for (let i = 0; i < LIMBS; i++) {
        const j = (k - i + LIMBS) % LIMBS;
        if (i <= j) pairs.push(pair(i, j));
      }
      return [...pairs.flatMap((code, n) => (n === 0 ? code : [...code, ADD])), ...set(h + k)];
    }),
    ...reduce(h, spare),
    ...eachLimb((i) => [...get(h + i), ...set(f + i)]),
  ];
  const code = [
    ...eachLimb((i) => [...load(A, i), ...set(f + i)]),
    // loop … while --B is not 0
    0x03,
    0x40,
    ...turn,
    ...get(B),
    0x41,
    1,
    0x6b,
    ...tee(B),
    0x0d,
    0,
    0x0b,
    ...store(h),
  ];
  return { name: "square", locals: [[5 * LIMBS + 1, I64]], code };
}
