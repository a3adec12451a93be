import { beforeAll, expect, test } from "bun:test";
import { join, resolve } from "node:path";
import { aliasPlugin } from "../../embed/alias/plugin.ts";
import * as sodium from "../../embed/alias/sodium.ts";

// What a bundle of HyperDHT calls on sodium, read from the very files that are in it: an update of a dependency
// that uses one function more fails here and not in somebody's app.

/** File → names it takes from sodium. */
const uses = new Map<string, string[]>();

beforeAll(async () => {
  const { metafile } = await Bun.build({
    entrypoints: [join(import.meta.dir, "fixtures/app.ts")],
    target: "bun",
    metafile: true,
    plugins: [aliasPlugin()],
  });
  for (const path of Object.keys(metafile?.inputs ?? {})) {
    if (!path.includes("node_modules/") || path.includes("libsodium")) continue;
    const names = namesUsed(await Bun.file(resolve(path)).text());
    if (names.length > 0) uses.set(path, names);
  }
});

function namesUsed(source: string): string[] {
  const members = source.matchAll(/\bsodium\.(\w+)/g);
  const lists = source.matchAll(/\{([^{}]*)\}\s*=\s*require\('sodium-(?:universal|native)'\)/g);
  return [
    ...Array.from(members, ([, name = ""]) => name),
    ...Array.from(lists).flatMap(([, list = ""]) => list.match(/\w+/g) ?? []),
  ];
}

test("finds member accesses and destructured names", () => {
  expect(namesUsed("sodium.a_B(x, sodium.c)")).toEqual(["a_B", "c"]);
  expect(namesUsed("const {\n  a,\n  b\n} = require('sodium-universal')")).toEqual(["a", "b"]);
});

test("every function and constant that HyperDHT's tree takes from sodium exists", () => {
  expect(uses.size).toBeGreaterThan(15);
  const missing = [...uses].flatMap(([path, names]) =>
    names.filter((name) => !(name in sodium)).map((name) => `${name} in ${path}`),
  );
  expect(missing).toEqual([]);
});

test("nothing is provided that the tree does not use, but for a pair's other half and noise-curve-ed's", () => {
  const used = new Set([...uses.values()].flat());
  const unused = Object.keys(sodium).filter((name) => !used.has(name));
  expect(unused.filter((name) => !/BYTES|TAG_/.test(name)).toSorted()).toEqual([
    "crypto_generichash_final",
    "crypto_generichash_init",
    "crypto_generichash_keygen",
    "crypto_generichash_update",
    "crypto_hash_sha512",
    "crypto_scalarmult_ed25519_noclamp",
    "crypto_secretstream_xchacha20poly1305_rekey",
    "ready",
    "sodium_malloc",
  ]);
});
