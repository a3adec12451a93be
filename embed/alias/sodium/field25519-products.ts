/**
 * The two hot functions of field25519.ts. Products of limbs i and j count for limb i + j: twice if both are odd, for then
 * 25.5·(i + j) was rounded up twice, and 19 times where i + j ≥ 10, since 2^255 = 19.
 */
import {
  A,
  ADD,
  B,
  eachLimb,
  get,
  i64,
  LIMB_BYTES,
  limbBits,
  LIMBS,
  limbsAt,
  load,
  MUL,
  NINETEEN,
  set,
  SHIFT_LEFT,
  SHIFT_RIGHT,
  SUB,
  TARGET,
  tee,
} from "./field25519-limbs.ts";
import { I64, type WasmFunction } from "./wasm-binary.ts";

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

export function productFunction(): WasmFunction {
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
export function squareFunction(): WasmFunction {
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
