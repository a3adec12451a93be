/** The few pieces of WebAssembly's binary format that the modules assembled here need. Core specification 2.0, section 5. */

export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;

const MAGIC_AND_VERSION: readonly number[] = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

export interface WasmFunction {
  readonly name: string;
  /** Locals beside the parameters: count and type, in order. */
  readonly locals: readonly (readonly [count: number, type: number])[];
  /** Instructions, without the closing `end`. */
  readonly code: readonly number[];
}

/** A module that exports "memory" of `pages` pages and functions, each of three i32 parameters and no result. */
export function assembleModule(
  pages: number,
  functions: readonly WasmFunction[],
): Uint8Array<ArrayBuffer> {
  const bodies = functions.map(({ locals, code }) => {
    const body = [
      locals.length,
      ...locals.flatMap(([count, type]) => [count, type]),
      ...code,
      0x0b,
    ];
    return [...uleb(body.length), ...body];
  });
  const exported = functions.flatMap(({ name }, index) => [...text(name), 0, index]);
  return Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(1, [1, 0x60, 3, I32, I32, I32, 0]),
    ...section(3, [functions.length, ...functions.map(() => 0)]),
    ...section(5, [1, 0, pages]),
    ...section(7, [1 + functions.length, ...text("memory"), 2, 0, ...exported]),
    ...section(10, [functions.length, ...bodies.flat()]),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...uleb(content.length), ...content];
}

function text(name: string): number[] {
  return [name.length, ...Buffer.from(name)];
}

/** LEB128, unsigned. */
export function uleb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...uleb(value >>> 7)];
}

/** LEB128, signed, for values that are not negative. */
export function sleb(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...sleb(value >>> 7)];
}
