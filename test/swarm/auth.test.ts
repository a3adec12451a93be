import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { authOf, bindingOf, isAuthCurrent } from "../../src/swarm/auth.ts";
import type { SwarmScope } from "../../src/swarm/scope.ts";

const owner = publicKeyOf(generateSeed());
const scope: SwarmScope = {
  owner,
  name: { app: "a", target: "linux-x64", channel: "stable" },
  sharedSecret: undefined,
};

test("auth is the bytes of the Rust crate: SHA-512(key ‖ minute)", () => {
  const minute = Buffer.alloc(8);
  minute.writeBigUInt64LE(29_123_456n);
  const expected = createHash("sha512").update(owner).update(minute).digest("hex");
  expect(authOf(owner, 29_123_456).toHex()).toBe(expected);
});

test("C8: minutes -1, 0 and +1 are accepted, -2 and +2 are not, nor is another owner's", () => {
  const accepted = [-2, -1, 0, 1, 2].map((skew) =>
    isAuthCurrent(owner, authOf(owner, 100 + skew), 100),
  );
  expect(accepted).toEqual([false, true, true, true, false]);
  expect(isAuthCurrent(owner, authOf(publicKeyOf(generateSeed()), 100), 100)).toBe(false);
  expect(isAuthCurrent(owner, authOf(owner, 100).subarray(0, 63), 100)).toBe(false);
});

test("a binding holds for one stream, one role, one auth and one secret", () => {
  const auth = authOf(owner, 100);
  const hash = new Uint8Array(64).fill(1);
  const other = new Uint8Array(64).fill(2);
  const secret = { ...scope, sharedSecret: new Uint8Array(32).fill(9) };
  const bindings = [
    bindingOf("client", scope, auth, hash),
    bindingOf("provider", scope, auth, hash),
    bindingOf("client", scope, auth, other),
    bindingOf("client", scope, authOf(owner, 101), hash),
    bindingOf("client", secret, auth, hash),
  ];
  expect(new Set(bindings.map((binding) => binding.toHex())).size).toBe(bindings.length);
  expect(bindings.every((binding) => binding.length === 32)).toBe(true);
});
