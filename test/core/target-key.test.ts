import { expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import nodeCrypto from "node:crypto";
import { concat, fromHex, utf8 } from "../../src/core/bytes.ts";
import {
  checkPublicKey,
  generateSeed,
  isSignatureValid,
  publicKeyOf,
} from "../../src/core/keys.ts";
import { signForTarget, targetPublicKey, type TargetName } from "../../src/core/target-key.ts";

const seed = generateSeed();
const owner = publicKeyOf(seed);
const name: TargetName = { app: "hello", target: "linux-x64", channel: "stable" };
const message = utf8("record");

test("only the owner's signature verifies under a key that anybody can derive", () => {
  const key = targetPublicKey(owner, name);
  expect(isSignatureValid(key, message, signForTarget(seed, name, message))).toBe(true);
  expect(isSignatureValid(key, message, signForTarget(generateSeed(), name, message))).toBe(false);
  expect(() => checkPublicKey(key)).not.toThrow();
});

test("is A + tB with t from length-prefixed fields, computed here in another way", () => {
  const field = (bytes: Uint8Array): Uint8Array => concat(Uint8Array.of(bytes.length, 0), bytes);
  const parts = [
    utf8("rustpatcher target key v1"),
    owner,
    utf8(name.app),
    utf8(name.target),
    utf8(name.channel),
  ];
  const digest = nodeCrypto
    .createHash("sha512")
    .update(concat(...parts.map(field)))
    .digest();
  const t = BigInt(`0x${digest.reverse().toString("hex")}`) % ed25519.Point.Fn.ORDER;
  const expected = ed25519.Point.fromBytes(owner).add(ed25519.Point.BASE.multiply(t));
  expect(targetPublicKey(owner, name)).toEqual(expected.toBytes() as typeof owner);
});

test("every name has a key of its own, however its parts are cut", () => {
  const names: TargetName[] = [
    name,
    { ...name, app: "hell" },
    { ...name, channel: "beta" },
    { ...name, target: "linux-arm64" },
    { app: "hel", target: "lolinux-x64", channel: "stable" },
    { app: "hello", target: "linux-x6", channel: "4stable" },
    { app: "", target: "hellolinux-x64", channel: "stable" },
  ];
  const keys = new Set(names.map((one) => targetPublicKey(owner, one).toHex()));
  expect(keys.size).toBe(names.length);
  const signature = signForTarget(seed, name, message);
  for (const other of names.slice(1)) {
    expect(isSignatureValid(targetPublicKey(owner, other), message, signature)).toBe(false);
  }
});

test("two messages never share a nonce, nor do two targets with one message", () => {
  const nonce = (target: TargetName, text: string): string =>
    signForTarget(seed, target, utf8(text)).subarray(0, 32).toHex();
  const nonces = [nonce(name, "a"), nonce(name, "b"), nonce({ ...name, channel: "beta" }, "a")];
  expect(new Set(nonces).size).toBe(3);
  expect(nonce(name, "a")).toBe(nonces[0] ?? "");
  // Nor with the owner key's own signature over the same message.
  expect(fromHex(nonces[0] ?? "")).not.toEqual(ed25519.sign(utf8("a"), seed).subarray(0, 32));
});
