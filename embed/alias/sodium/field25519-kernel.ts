/** The arithmetic of field25519.ts in WebAssembly, assembled at load like chacha20-simd.ts. */
import {
  A,
  B,
  call,
  eachLimb,
  ELEMENT_BYTES,
  firstBit,
  get,
  i32,
  I32_ADD,
  I32_AND,
  I32_SHIFT_RIGHT,
  I32_SUB,
  LIMB_BYTES,
  limbBits,
  LIMBS,
  limbsAt,
  loadI32,
  set,
  storeI32,
  TARGET,
} from "./field25519-limbs.ts";
import { productFunction, squareFunction } from "./field25519-products.ts";
import { assembleModule, I32, type WasmFunction } from "./wasm-binary.ts";

/** Elements that `powers` writes. */
export const POWERS_ELEMENTS = 4;
const PAGES = 1;
/** Places in the list of functions. */
const PRODUCT = 0;
const SQUARE = 1;

type Operation = (target: number, a: number, b: number) => void;

export interface FieldKernel {
  readonly memory: WebAssembly.Memory;
  /** target = a · b, addresses of elements. Limbs of up to 27 and 26 bits. */
  readonly mul: Operation;
  /** target = a^(2^count). */
  readonly square: (target: number, a: number, count: number) => void;
  /** a^(2^250 − 1) into the first of POWERS_ELEMENTS elements at `target`, a^11 into the second. */
  readonly powers: (target: number, a: number) => void;
  /** target = a ± b, limb by limb. */
  readonly add: Operation;
  readonly sub: Operation;
  /** Makes an element of the 32 bytes at `target`, little-endian; the highest bit does not count. */
  readonly unpack: (target: number) => void;
}

export function createFieldKernel(): FieldKernel {
  const binary = assembleModule(PAGES, [
    productFunction(),
    squareFunction(),
    powersFunction(),
    sumFunction("add", I32_ADD),
    sumFunction("sub", I32_SUB),
    unpackFunction(),
  ]);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary));
  return exports as unknown as FieldKernel;
}

/**
 * What the exponents P − 2 and (P − 5) / 8 share, as ref10 computes it. One call instead of two dozen: in a process that
 * has not made many connections yet, one from JavaScript costs as much as a product.
 */
function powersFunction(): WasmFunction {
  const at = (n: number): number[] => [...get(TARGET), ...i32(ELEMENT_BYTES * n), I32_ADD];
  const a = get(A);
  const [ones, eleven, saved, spare] = [at(0), at(1), at(2), at(3)] as const;
  const mul = (target: number[], x: number[], y: number[]): number[] => [
    ...target,
    ...x,
    ...y,
    ...call(PRODUCT),
  ];
  const square = (target: number[], x: number[], count: number): number[] => [
    ...target,
    ...x,
    ...i32(count),
    ...call(SQUARE),
  ];
  const code = [
    ...square(spare, a, 1),
    ...square(saved, spare, 2),
    // a^9
    ...mul(saved, saved, a),
    ...mul(eleven, saved, spare),
    // a^(2^5 − 1), then of 10, 20, 40, 50, 100, 200 and 250
    ...square(ones, eleven, 1),
    ...mul(ones, ones, saved),
    ...square(spare, ones, 5),
    ...mul(ones, spare, ones),
    ...square(spare, ones, 10),
    ...mul(saved, spare, ones),
    ...square(spare, saved, 20),
    ...mul(saved, spare, saved),
    ...square(spare, saved, 10),
    ...mul(ones, spare, ones),
    ...square(spare, ones, 50),
    ...mul(saved, spare, ones),
    ...square(spare, saved, 100),
    ...mul(saved, spare, saved),
    ...square(spare, saved, 50),
    ...mul(ones, spare, ones),
  ];
  return { name: "powers", locals: [], code };
}

function sumFunction(name: string, operation: number): WasmFunction {
  const code = eachLimb((limb) => [
    ...get(TARGET),
    ...loadI32(A, LIMB_BYTES * limb),
    ...loadI32(B, LIMB_BYTES * limb),
    operation,
    ...storeI32(LIMB_BYTES * limb),
  ]);
  return { name, locals: [], code };
}

/** All limbs are read before the first is written in their place. With the bits skipped below it, none takes more than 32. */
function unpackFunction(): WasmFunction {
  const limbs = limbsAt(0);
  const code = [
    ...eachLimb((limb) => [
      ...loadI32(TARGET, firstBit(limb) >> 3),
      ...i32(firstBit(limb) & 7),
      I32_SHIFT_RIGHT,
      ...i32((1 << limbBits(limb)) - 1),
      I32_AND,
      ...set(limbs + limb),
    ]),
    ...eachLimb((limb) => [...get(TARGET), ...get(limbs + limb), ...storeI32(LIMB_BYTES * limb)]),
  ];
  return { name: "unpack", locals: [[LIMBS, I32]], code };
}
