/**
 * `scalar · point` on edwards25519 by way of X25519, which the run time has natively: every connection needs eight of
 * these one after the other. The answer is libsodium's, bit for bit, or there is none and libsodium is asked: whatever is
 * unusual (a scalar that is not clamped, a point that is refused) stays with it.
 *
 * The two curves are one group in different coordinates (RFC 7748 section 4.1):
 *
 *   u = (1 + y) / (1 − y)   v = c·u / x      y = (u − 1) / (u + 1)   x = c·u / v      c = √−486664
 *
 * X25519 gives only u of s·P. v, and with it the sign of x, follows from a second point at a known distance, as in the
 * y-recovery of Okeya and Sakurai (CHES 2001): with R = 8·P, Q = s·P and Q' = (s + 8)·P = Q + R,
 *
 *   2·v(Q)·v(R) = (u(Q)·u(R) + 1)·(u(Q) + u(R) + 2A) − 2A − (u(Q) − u(R))²·u(Q')
 *
 * Both scalars are clamped, so X25519 takes them as they are. A clamped scalar hides a component of small order, which
 * libsodium refuses. R has none, so P is of prime order exactly if u(−R/8) = u(P): one more X25519, once per point.
 *
 * X25519 takes constant time, and so do the products, whatever their factors. Points are public: what is computed from
 * them alone may take its time, and is remembered.
 */
import type { KeyObject } from "node:crypto";
import { type Element, Field } from "./field25519.ts";
import { publicPoint, x25519, x25519Scalar } from "./x25519.ts";

const POINT_BYTES = 32;
const SIGN_BIT = 0x80;
const DOUBLINGS = 3;
/** 2 ** DOUBLINGS, the distance of the two scalars. */
const STEP = 8;
/** −1/8 modulo the order of the base point, as the one representative that is a clamped scalar. */
const MINUS_EIGHTH = "28f4f0ed590a55575f35b9b1a54387600000000000000000000000000000004a";
/** −121665/121666. RFC 8032 section 5.1. */
const EDWARDS_D = "a3785913ca4deb75abd841414d0a700098e879777940c78c73fe6f2bee6c0352";
/** c, the even one. RFC 7748 section 4.1. */
const EDWARDS_TO_MONTGOMERY = "067e45ffaa046ecc821a7d4bd1d3a1c57e4ffc03dc087bd2bb06a060f4ed260f";
/** 2A. */
const TWICE_A = "0cda0e0000000000000000000000000000000000000000000000000000000000";
/** Points remembered: a server sees those of its clients, and each handshake its own. */
const POINTS_MAX = 64;

interface Point {
  /** The point itself, for X25519. */
  readonly u: KeyObject;
  /** u of R. */
  readonly stepU: Buffer;
  /** 2·c·v(R). */
  readonly scale: Buffer;
}

/** Made on first use. */
class Curve extends Field {
  readonly d: Element = this.constant(EDWARDS_D);
  readonly c: Element = this.constant(EDWARDS_TO_MONTGOMERY);
  readonly twiceA: Element = this.constant(TWICE_A);
  readonly minusEighth: KeyObject = x25519Scalar(Buffer.from(MINUS_EIGHTH, "hex"));
}

let curve: Curve | undefined;
const points = new Map<string, Point>();

/** A scalar to multiply points by. Holds it in the form of the run time, which overwrites it when it is collected. */
export class Scalar {
  private readonly near: KeyObject | undefined;
  private readonly far: KeyObject | undefined;

  /** Copies what it needs of `bytes`, 32 of them. */
  constructor(bytes: Uint8Array) {
    const further = addStep(bytes);
    if (isClamped(bytes) && isClamped(further)) {
      this.near = x25519Scalar(bytes);
      this.far = x25519Scalar(further);
    }
    further.fill(0);
  }

  /** Itself times `point`, 32 bytes that the caller owns; undefined when it has no answer. */
  multiply(point: Uint8Array): Buffer | undefined {
    const { near, far } = this;
    if (near === undefined || far === undefined) return undefined;
    curve ??= new Curve();
    const known = lookUp(curve, point);
    if (known === undefined) return undefined;
    try {
      return recover(curve, known, x25519(near, known.u), x25519(far, known.u));
    } finally {
      curve.clear();
    }
  }
}

/** Q in its encoding, from u(Q) and u(Q + R). */
function recover(
  f: Curve,
  { stepU, scale }: Point,
  nearU: Buffer,
  farU: Buffer,
): Buffer | undefined {
  const u = f.load(nearU);
  const r = f.load(stepU);
  const sum = f.mul(f.add(u, r), f.one);
  const first = f.mul(f.add(f.mul(u, r), f.one), f.add(sum, f.twiceA));
  const second = f.mul(f.square(f.sub(u, r)), f.load(farU));
  // 2·v(Q)·v(R)
  const v = f.mul(f.sub(first, f.mul(f.add(second, f.twiceA), f.one)), f.one);
  const above = f.add(u, f.one);
  const inverse = f.invert(f.mul(v, above));
  // Only where the formula does not hold: Q is ±R, or of small order.
  if (f.equals(inverse, f.zero)) return undefined;
  const x = f.store(f.mul(f.mul(f.mul(f.load(scale), u), above), inverse));
  const y = f.store(f.mul(f.mul(f.sub(u, f.one), v), inverse));
  y[POINT_BYTES - 1] = (y[POINT_BYTES - 1] ?? 0) | ((x[0] ?? 0) << 7);
  return y;
}

function isClamped(scalar: Uint8Array): boolean {
  return ((scalar[0] ?? 0) & 7) === 0 && ((scalar[31] ?? 0) & 0xc0) === 0x40;
}

/** A copy of `scalar`, plus STEP. */
function addStep(scalar: Uint8Array): Uint8Array {
  const sum = new Uint8Array(scalar);
  let carry = STEP;
  for (let i = 0; i < sum.byteLength; i++) {
    carry += sum[i] ?? 0;
    sum[i] = carry;
    carry >>>= 8;
  }
  return sum;
}

/** What is known of a point, undefined when it is not one of prime order in its one encoding. */
function lookUp(f: Curve, encoded: Uint8Array): Point | undefined {
  const key = Buffer.from(encoded).toString("latin1");
  const known = points.get(key) ?? examine(f, encoded);
  f.clear();
  if (known === undefined) return undefined;
  // Last used last.
  points.delete(key);
  points.set(key, known);
  if (points.size > POINTS_MAX) points.delete(points.keys().next().value ?? key);
  return known;
}

function examine(f: Curve, encoded: Uint8Array): Point | undefined {
  const bytes = Buffer.from(encoded);
  const sign = (bytes[POINT_BYTES - 1] ?? 0) >> 7;
  bytes[POINT_BYTES - 1] = (bytes[POINT_BYTES - 1] ?? 0) & ~SIGN_BIT;
  const y = f.mul(f.load(bytes), f.one);
  // Not below P.
  if (!f.store(y).equals(bytes)) return undefined;
  const square = f.square(y);
  const below = f.add(f.mul(f.d, square), f.one);
  const root = f.squareRootOfRatio(f.sub(square, f.one), below);
  if (root === undefined) return undefined;
  const rootBytes = f.store(root);
  const x = ((rootBytes[0] ?? 0) & 1) === sign ? root : f.sub(f.zero, root);

  const r = double(f, x, y);
  // One inversion for three denominators: 1 − y, and of R both Z − Y and X.
  const left = f.sub(f.one, y);
  const rBelow = f.mul(f.sub(r.z, r.y), r.x);
  const inverse = f.invert(f.mul(rBelow, left));
  if (f.equals(inverse, f.zero)) return undefined;
  const u = f.store(f.mul(f.mul(f.add(f.one, y), rBelow), inverse));
  const rInverse = f.mul(inverse, left);
  const stepU = f.mul(f.mul(f.add(r.z, r.y), r.x), rInverse);
  const xInverse = f.mul(f.mul(r.z, f.sub(r.z, r.y)), rInverse);
  const stepV = f.mul(f.mul(f.c, stepU), xInverse);
  const scale = f.mul(f.add(stepV, stepV), f.c);

  const step = f.store(stepU);
  if (!x25519(f.minusEighth, publicPoint(step)).equals(u)) return undefined;
  return { u: publicPoint(u), stepU: step, scale: f.store(scale) };
}

/** R from P, projective. dbl-2008-hwcd with a = −1: hyperelliptic.org/EFD, twisted Edwards curves, extended coordinates. */
function double(f: Curve, px: Element, py: Element): { x: Element; y: Element; z: Element } {
  let [x, y, z] = [px, py, f.one];
  for (let i = 0; i < DOUBLINGS; i++) {
    const a = f.square(x);
    const b = f.square(y);
    const zz = f.square(z);
    const e = f.mul(f.add(x, x), y);
    const g = f.sub(b, a);
    const minusF = f.mul(f.sub(f.add(zz, zz), g), f.one);
    const minusH = f.add(a, b);
    [x, y, z] = [f.mul(e, minusF), f.mul(g, minusH), f.mul(minusF, g)];
  }
  return { x, y, z };
}
