/** The name in a certificate of macOS, out of bytes that anybody may have written. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { concat, utf8 } from "../../src/core/bytes.ts";
import { memorySource } from "../../src/core/source.ts";
import { certificateName } from "../../src/exe/certificate-name.ts";
import { completion, tryCodeSigner } from "../../src/exe/normal-form.ts";
import { codesign } from "../helpers/code-signature.ts";
import { tinyMacho } from "../helpers/tiny-executables.ts";

const DEVELOPER = "Developer ID Application: Ada Ltd. (AB12CD34EF)";

/** A commonName among other bytes, as DER has it. */
function named(text: string, tag = 0x0c, sizeBytes = utf8(text).length): Uint8Array {
  const head = Uint8Array.of(0x30, 0, 0x06, 0x03, 0x55, 0x04, 0x03, tag, sizeBytes);
  return concat(head, utf8(text), Uint8Array.of(0x30, 0x82));
}

test("the signer's, not that of those above it, wherever it stands", () => {
  const above = [named("Apple Root CA", 0x13), named("Developer ID Certification Authority")];
  expect(certificateName(concat(...above, named(DEVELOPER)))).toBe(DEVELOPER);
  expect(certificateName(concat(named(DEVELOPER), ...above))).toBe(DEVELOPER);
  expect(certificateName(named("Somebody else's", 0x13))).toBe("Somebody else's");
  expect(certificateName(new Uint8Array(900).fill(0x30))).toBeUndefined();
});

test.each([
  ["a terminal's commands", named("\u001B[2Jx")],
  ["a text turned around", named("\u202Ex")],
  ["a line of its own", named("x\nvalid")],
  ["no text", named("x", 0x30)],
  ["an empty one", named("")],
  ["a length beyond the end", named("x", 0x0c, 0x7f)],
  ["a length of several bytes", named("x".repeat(130), 0x0c, 0x81)],
])("%s is no name", (_what, cms) => {
  expect(certificateName(cms)).toBeUndefined();
});

test("whatever the bytes, cut off anywhere: no crash, and nothing but text", () => {
  const whole = concat(named("Apple Root CA"), named(DEVELOPER));
  for (let end = 0; end <= whole.length; end++) certificateName(whole.subarray(0, end));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 140 }), fc.nat(255), (bytes, sizeBytes) => {
      const head = Uint8Array.of(0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, sizeBytes);
      expect(certificateName(concat(head, bytes)) ?? "").not.toMatch(/\p{C}/u);
    }),
  );
});

test("of a file: that of a certificate, none of an ad-hoc signature", () => {
  const normal = tinyMacho();
  const pieces = completion(memorySource(normal));
  const file = Buffer.alloc(Math.max(...pieces.map(({ offset, bytes }) => offset + bytes.length)));
  file.set(normal);
  for (const { offset, bytes } of pieces) file.set(bytes, offset);
  expect(tryCodeSigner(memorySource(file))).toBeUndefined();
  const signed = codesign(file, { cms: named(DEVELOPER) });
  expect(tryCodeSigner(memorySource(signed))).toBe(DEVELOPER);
});
