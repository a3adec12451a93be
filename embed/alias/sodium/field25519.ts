/**
 * Arithmetic modulo P = 2^255 − 19 on elements that live in the memory of a WebAssembly module. JavaScript's `bigint` is as
 * fast, but makes 30 KB of garbage for each inversion, which spreads what lives long over three times the memory; and
 * this takes the same steps for every value.
 */
import { createFieldKernel, type FieldKernel, POWERS_ELEMENTS } from "./field25519-kernel.ts";
import {
  ELEMENT_BYTES,
  firstBit,
  LIMB_BYTES,
  limbBits,
  LIMBS,
  NINETEEN,
} from "./field25519-limbs.ts";

/** Address of an element. Good until the next `begin`, unless it is a constant. */
export type Element = number;

const VALUE_BYTES = 32;
/** √−1 = 2^((P − 1) / 4). */
const ROOT_OF_MINUS_ONE = "b0a00e4a271beec478e42fad0618432fa7d7fb3d99004d2b0bdfc14f8024832b";

export class Field {
  readonly zero: Element;
  readonly one: Element;
  private readonly kernel: FieldKernel;
  private readonly limbs: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly rootOfMinusOne: Element;
  private constantsEnd: Element = 0;
  private end: Element = 0;

  constructor() {
    this.kernel = createFieldKernel();
    this.limbs = new Int32Array(this.kernel.memory.buffer);
    this.bytes = new Uint8Array(this.kernel.memory.buffer);
    this.zero = this.constant("00".repeat(VALUE_BYTES));
    this.one = this.constant(`01${"00".repeat(VALUE_BYTES - 1)}`);
    this.rootOfMinusOne = this.constant(ROOT_OF_MINUS_ONE);
  }

  /** An element for good, given little-endian in hexadecimal. To be made before any other. */
  constant(hex: string): Element {
    const element = this.load(Buffer.from(hex, "hex"));
    this.constantsEnd = this.end;
    return element;
  }

  /** Forgets and overwrites all elements but the constants. */
  clear(): void {
    this.limbs.fill(0, this.constantsEnd / LIMB_BYTES, this.end / LIMB_BYTES);
    this.end = this.constantsEnd;
  }

  /** Reads 32 bytes, little-endian; the highest bit does not count. */
  load(bytes: Uint8Array): Element {
    const element = this.place();
    this.bytes.set(bytes, element);
    this.kernel.unpack(element);
    return element;
  }

  /** The one encoding below P of a product, 32 bytes that the caller owns. */
  store(a: Element): Buffer {
    const h = this.limbs.slice(a / LIMB_BYTES, a / LIMB_BYTES + LIMBS);
    // As ref10's fe_tobytes: q = ⌊value / P⌋ is the carry out of value + 19 / 2^255.
    let q = (NINETEEN * (h[LIMBS - 1] ?? 0) + (1 << 24)) >> 25;
    for (let i = 0; i < LIMBS; i++) q = ((h[i] ?? 0) + q) >> limbBits(i);
    const bytes = Buffer.alloc(VALUE_BYTES);
    let carry = NINETEEN * q;
    for (let i = 0; i < LIMBS; i++) {
      const sum = (h[i] ?? 0) + carry;
      carry = sum >> limbBits(i);
      const limb = sum - (carry << limbBits(i));
      const bit = firstBit(i);
      bytes.writeUInt32LE((bytes.readUInt32LE(bit >> 3) | (limb << (bit & 7))) >>> 0, bit >> 3);
    }
    return bytes;
  }

  /** Factors may be sums and differences of four products, or of two loaded elements. */
  mul(a: Element, b: Element): Element {
    const product = this.place();
    this.kernel.mul(product, a, b);
    return product;
  }

  /** a^(2^count). */
  square(a: Element, count = 1): Element {
    const product = this.place();
    this.kernel.square(product, a, count);
    return product;
  }

  /** Not reduced: a factor, but nothing to store. */
  add(a: Element, b: Element): Element {
    const sum = this.place();
    this.kernel.add(sum, a, b);
    return sum;
  }

  /** Not reduced: a factor, but nothing to store. */
  sub(a: Element, b: Element): Element {
    const difference = this.place();
    this.kernel.sub(difference, a, b);
    return difference;
  }

  /** 1 / a; 0 for 0. */
  invert(a: Element): Element {
    const { eleven, ones250 } = this.powers(a);
    return this.mul(this.square(ones250, 5), eleven);
  }

  /** A square root of above / below; undefined if there is none. RFC 8032 section 5.1.3. */
  squareRootOfRatio(above: Element, below: Element): Element | undefined {
    const cube = this.mul(this.square(below), below);
    const base = this.mul(this.mul(this.square(cube), below), above);
    const power = this.mul(this.square(this.powers(base).ones250, 2), base);
    const root = this.mul(this.mul(above, cube), power);
    const check = this.mul(this.square(root), below);
    if (this.equals(check, above)) return root;
    if (!this.equals(check, this.sub(this.zero, above))) return undefined;
    return this.mul(root, this.rootOfMinusOne);
  }

  equals(a: Element, b: Element): boolean {
    return this.store(this.mul(a, this.one)).equals(this.store(this.mul(b, this.one)));
  }

  /** What the exponents P − 2 and (P − 5) / 8 share: a^(2^250 − 1) and a^11. */
  private powers(a: Element): { eleven: Element; ones250: Element } {
    const ones250 = this.place(POWERS_ELEMENTS);
    this.kernel.powers(ones250, a);
    return { eleven: ones250 + ELEMENT_BYTES, ones250 };
  }

  private place(count = 1): Element {
    const element = this.end;
    this.end += ELEMENT_BYTES * count;
    return element;
  }
}
