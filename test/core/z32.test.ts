import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { fromHex } from "../../src/core/bytes.ts";
import { encodeZ32, tryDecodeZ32 } from "../../src/core/z32.ts";

// Zooko's z-base-32 specification, section "Examples", for whole bytes.
test.each([
  ["", ""],
  ["f0bfc7", "6n9hq"],
  ["d47a04", "4t7ye"],
])("%s is %s", (hex, text) => {
  expect(encodeZ32(fromHex(hex))).toBe(text);
  expect(tryDecodeZ32(text)).toEqual(fromHex(hex));
});

test("the key file of the Rust crate's example is 32 bytes", () => {
  // rustpatcher 0.2, owner_key_example: a key published with the crate.
  expect(tryDecodeZ32("5wrjzq7h54t61sr8izgqdkrjx9tcqey5n6apff5ju5yadoobuj3o")).toHaveLength(32);
});

test("reads what it wrote, and writes what it read", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      expect(tryDecodeZ32(encodeZ32(bytes))).toEqual(bytes);
    }),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[ybndrfg8ejkmcpqxot1uwisza345h769]{0,20}$/), (text) => {
      const bytes = tryDecodeZ32(text);
      if (bytes !== undefined) expect(encodeZ32(bytes)).toBe(text);
    }),
  );
});
