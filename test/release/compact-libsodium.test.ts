import { expect, test } from "bun:test";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { compact } from "../../src/release/compact-libsodium.ts";

const MODULE = join(
  import.meta.dir,
  "../../node_modules/libsodium-sumo/dist/modules-sumo-esm/libsodium-sumo.mjs",
);
const BASE64 = /"(AGFzbQ[A-Za-z0-9+/]+=*)"/;

test("libsodium's script becomes smaller, and hands the same bytes to WebAssembly", async () => {
  const script = await Bun.file(MODULE).text();
  const smaller = compact(script);
  expect(smaller.length).toBeLessThan(script.length / 2);
  const [, compressed = ""] = /__expand\(Buffer\.from\("([^"]+)"/.exec(smaller) ?? [];
  const [, original = ""] = BASE64.exec(script) ?? [];
  const expanded = brotliDecompressSync(Buffer.from(compressed, "base64"));
  expect(expanded.toString("base64")).toBe(original);
  expect(WebAssembly.validate(expanded)).toBe(true);
});

test("another form of the script is refused, instead of being bundled as it is", () => {
  expect(() => compact("export default 1;")).toThrow("another form");
  expect(() => compact('f("AGFzbQEA"); f("AGFzbQEB");')).toThrow("another form");
  // One module is what it takes.
  expect(compact('f("AGFzbQEA");')).toContain("__expand");
});
