import { describe, expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import nodeCrypto from "node:crypto";
import { brandPublicKey } from "../../src/core/brand.ts";
import { concat, fromHex, utf8 } from "../../src/core/bytes.ts";
import {
  checkPublicKey,
  generateSeed,
  isSignatureValid,
  keyText,
  parsePublicKey,
  parseSeed,
  publicKeyOf,
  sign,
} from "../../src/core/keys.ts";
import { encodeZ32 } from "../../src/core/z32.ts";
import speccheck from "../vectors/ed25519-speccheck.json" with { type: "json" };
import zip215 from "../vectors/ed25519-zip215.json" with { type: "json" };

const { Point } = ed25519;
/** The order of the subgroup, RFC 8032 section 5.1. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const P = 2n ** 255n - 19n;
const message = utf8("message");

const le32 = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, "0")).reverse();

const isAcceptedKey = (bytes: Uint8Array): boolean => {
  try {
    checkPublicKey(bytes);
    return true;
  } catch {
    return false;
  }
};

describe("keys as text (B1)", () => {
  const text = keyText(publicKeyOf(generateSeed()));

  test("reads what it wrote", () => {
    expect(keyText(parsePublicKey(text))).toBe(text);
    const seed = generateSeed();
    expect(parseSeed(keyText(seed))).toEqual(seed);
  });

  test.each([
    ["31 bytes", encodeZ32(new Uint8Array(31).fill(7))],
    ["33 bytes", encodeZ32(new Uint8Array(33).fill(7))],
    ["empty", ""],
    ["upper case", text.toUpperCase()],
    ["one upper-case letter", `Y${text.slice(1)}`],
    ["padding", `${text}=`],
    ["a space", `${text.slice(0, -1)} `],
    ["a character that is not in the alphabet", `l${text.slice(1)}`],
    ["a homoglyph", `у${text.slice(1)}`],
    // 52 characters hold 260 bits; the last four must be zero or two texts would mean one key.
    ["left-over bits", `${text.slice(0, -1)}9`],
    ["a line break", `${text.slice(0, -1)}\n`],
  ])("refuses %s as a public and as a secret key", (_what, bad) => {
    expect(() => parsePublicKey(bad)).toThrow("z-base-32");
    expect(() => parseSeed(bad)).toThrow("z-base-32");
  });

  test("an error never repeats the text, which may be a secret", () => {
    expect(() => parseSeed(`${text}0`)).not.toThrow(text);
  });
});

describe("points that no key generator makes (B2)", () => {
  test.each([...zip215.canonical, ...zip215.nonCanonical])("refuses low order %s", (hex) => {
    // The point exists: it is this check, and not the decoder, that refuses it.
    expect(Point.fromBytes(fromHex(hex), true).isSmallOrder()).toBe(true);
    expect(() => checkPublicKey(fromHex(hex))).toThrow("public key");
  });

  // 24 of these are points, none of them of the prime-order subgroup: two checks refuse each.
  test("refuses y ≥ p", () => {
    let refused = 0;
    for (let y = P; y < 2n ** 255n; y++) {
      for (const sign of [0n, 1n << 255n]) {
        const bytes = le32(y | sign);
        if (isAcceptedKey(bytes)) throw new Error(`accepted y = p + ${y - P}`);
        refused++;
      }
    }
    expect(refused).toBe(38);
  });

  test("refuses a key with a part of low order, whose pure part it accepts", () => {
    const pure = Point.fromBytes(publicKeyOf(generateSeed()), false);
    for (const hex of zip215.canonical.filter((point) => point !== zip215.canonical[0])) {
      const mixed = pure.add(Point.fromBytes(fromHex(hex), true)).toBytes();
      expect(isAcceptedKey(mixed)).toBe(false);
    }
    expect(isAcceptedKey(pure.toBytes())).toBe(true);
  });

  test("refuses 31 and 33 bytes, and bytes that are no point", () => {
    const key = publicKeyOf(generateSeed());
    expect(isAcceptedKey(key)).toBe(true);
    expect(isAcceptedKey(key.subarray(0, 31))).toBe(false);
    expect(isAcceptedKey(concat(key, Uint8Array.of(0)))).toBe(false);
    expect(isAcceptedKey(le32(2n))).toBe(false);
  });
});

describe("signatures", () => {
  const seed = generateSeed();
  const owner = publicKeyOf(seed);
  const signature = sign(seed, message);

  test("node:crypto accepts ours, and we accept what it makes", () => {
    const der = concat(fromHex("302e020100300506032b657004220420"), seed);
    const secret = nodeCrypto.createPrivateKey({
      key: Buffer.from(der),
      format: "der",
      type: "pkcs8",
    });
    const theirs = new Uint8Array(nodeCrypto.sign(null, message, secret));
    expect(theirs.toHex()).toBe(signature.toHex());
    expect(isSignatureValid(owner, message, theirs)).toBe(true);
    expect(
      nodeCrypto.verify(null, message, nodeCrypto.createPublicKey(secret), Buffer.from(signature)),
    ).toBe(true);
  });

  test("refuses S + L, which says the same twice (B3)", () => {
    const s = BigInt(`0x${signature.slice(32).reverse().toHex()}`);
    const malleable = concat(signature.subarray(0, 32), le32(s + L));
    expect(isSignatureValid(owner, message, signature)).toBe(true);
    expect(isSignatureValid(owner, message, malleable)).toBe(false);
  });

  test("refuses S = 0 with R = identity, zeros, and every other length (B3)", () => {
    const identity = concat(fromHex(zip215.canonical[0] ?? ""), new Uint8Array(32));
    expect(isSignatureValid(owner, message, identity)).toBe(false);
    expect(isSignatureValid(owner, message, new Uint8Array(64))).toBe(false);
    expect(isSignatureValid(owner, message, signature.subarray(0, 63))).toBe(false);
    expect(isSignatureValid(owner, message, concat(signature, Uint8Array.of(0)))).toBe(false);
    expect(isSignatureValid(owner, message, new Uint8Array(0))).toBe(false);
  });

  test("refuses every signature with one bit flipped", () => {
    for (let bit = 0; bit < 512; bit++) {
      const flipped = signature.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (isSignatureValid(owner, message, flipped)) throw new Error(`accepted bit ${bit}`);
    }
  });

  test("refuses the signature of another key (B5)", () => {
    expect(isSignatureValid(publicKeyOf(generateSeed()), message, signature)).toBe(false);
  });
});

describe("published edge cases (B4)", () => {
  test("of the 12 speccheck cases key check and strict verification leave none but #3", () => {
    const accepted = speccheck.vectors.flatMap(({ message, publicKey, signature }, index) => {
      const key = fromHex(publicKey);
      if (!isAcceptedKey(key)) return [];
      return isSignatureValid(checkPublicKey(key), fromHex(message), fromHex(signature))
        ? [index]
        : [];
    });
    expect(speccheck.vectors).toHaveLength(12);
    expect(accepted.filter((index) => index !== 3)).toEqual([]);
  });

  test("each rule refuses cases that the others let through", () => {
    const accepted = (verify: (one: (typeof speccheck.vectors)[number]) => boolean): number[] =>
      speccheck.vectors.flatMap((one, index) => (verify(one) ? [index] : []));
    // @noble's own default, then strict decoding and the check of R on top of it, without a key check.
    expect(
      accepted(({ message, publicKey, signature }) =>
        ed25519.verify(fromHex(signature), fromHex(message), fromHex(publicKey)),
      ),
    ).toEqual([0, 1, 2, 3, 4, 5, 9, 10, 11]);
    expect(
      accepted(({ message, publicKey, signature }) =>
        isSignatureValid(brandPublicKey(fromHex(publicKey)), fromHex(message), fromHex(signature)),
      ),
    ).toEqual([3, 4, 5]);
  });

  test("accepts none of the 196 ZIP215 cases, all of which the permissive rules accept", () => {
    const encodings = [...zip215.canonical, ...zip215.nonCanonical].map(fromHex);
    const text = fromHex(zip215.message);
    let permissive = 0;
    let strict = 0;
    for (const key of encodings) {
      for (const R of encodings) {
        const signature = concat(R, new Uint8Array(32));
        if (ed25519.verify(signature, text, key, { zip215: true })) permissive++;
        // Even for a key that slipped past the key check.
        if (isSignatureValid(brandPublicKey(key), text, signature)) strict++;
      }
    }
    expect(permissive).toBe(196);
    expect(strict).toBe(0);
    expect(encodings.filter(isAcceptedKey)).toEqual([]);
  });
});
