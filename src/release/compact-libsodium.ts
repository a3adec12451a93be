/**
 * libsodium's WebAssembly as its package carries it is base64 in a script, 380 KB of it. By Brotli it is 143 KB,
 * in every app and twice in the package, and expanding takes about two milliseconds of the Worker's start.
 */
import type { BunPlugin } from "bun";
import { brotliCompressSync, constants } from "node:zlib";
import { ReleaseError } from "./error.ts";

const MODULE = /\/libsodium-sumo\.mjs$/;
/** A string that begins with "\0asm" in base64. */
const WASM = /"(AGFzbQ[A-Za-z0-9+/]+=*)"/g;

/** The best is 11, for 8 % less in fifteen times the time, which every build from a checkout would spend. */
const QUALITY = 9;

/** For `Bun.build`; the same bytes reach WebAssembly. Holds no state. */
export function compactLibsodium(): BunPlugin {
  return {
    name: "rustpatcher-compact-libsodium",
    setup(build) {
      build.onLoad({ filter: MODULE }, async ({ path }) => ({
        contents: compact(await Bun.file(path).text()),
        loader: "js",
      }));
    },
  };
}

/**
 * @internal
 * @throws {ReleaseError} COMPILE_FAILED when `script` does not hold exactly one WebAssembly module
 */
export function compact(script: string): string {
  const modules = [...script.matchAll(WASM)];
  const [, base64] = modules[0] ?? [];
  if (modules.length !== 1 || base64 === undefined) {
    throw new ReleaseError("COMPILE_FAILED", "libsodium has another form than the bundler expects");
  }
  const compressed = brotliCompressSync(Buffer.from(base64, "base64"), {
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY },
  });
  const expand = `__expand(Buffer.from("${compressed.toString("base64")}","base64")).toString("base64")`;
  return `import { brotliDecompressSync as __expand } from "node:zlib";\n${script.replace(WASM, () => expand)}`;
}
