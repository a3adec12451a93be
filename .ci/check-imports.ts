/** Imports point downwards only: what each layer may import, and nothing else. */
import { Glob } from "bun";
import { dirname, join, normalize } from "node:path";

const ROOT = join(import.meta.dir, "..");

/** A layer is a folder; the value lists the layers it may import besides itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "src/core": [],
  "src/fs": ["src/core"],
  "src/content": ["src/core"],
  "src/udx": ["src/core"],
  "src/exe": ["src/content", "src/core"],
  "src/assembly": ["src/exe", "src/content", "src/fs", "src/core"],
  "src/swarm": ["src/udx", "src/exe", "src/content", "src/core"],
  "src/update": ["src/swarm", "src/assembly", "src/exe", "src/content", "src/fs", "src/core"],
  "src/release": ["src/swarm", "src/assembly", "src/exe", "src/content", "src/fs", "src/core"],
  "src/patcher": ["src/update", "src/exe", "src/fs", "src/core"],
  "src/watch": ["src/swarm", "src/exe", "src/content", "src/core"],
  "src/doctor": [
    "src/release",
    "src/update",
    "src/swarm",
    "src/exe",
    "src/content",
    "src/fs",
    "src/core",
  ],
  "src/cli": [
    "src/doctor",
    "src/watch",
    "src/update",
    "src/release",
    "src/swarm",
    "src/exe",
    "src/content",
    "src/fs",
    "src/core",
  ],
  // What substitutes native packages: below everything that loads HyperDHT by name.
  "embed/alias": ["src/udx", "src/core"],
};
/** The top: free to import any layer below. */
const TOP = ["embed", "src/index.ts", "src/build.ts", "src/hyperdht.ts", "build.ts"];
/** The one upward import: what bundles an app must name the substitutes and the runtime it bundles. */
const EXCEPTIONS: readonly (readonly [from: string, to: string])[] = [
  ["src/release", "embed/alias"],
  ["src/cli", "embed/alias"],
];

const IMPORT = /(?:from|import)\s*\(?\s*"(\.[^"]+)"/g;

function layerOf(file: string): string | undefined {
  const layers = Object.keys(ALLOWED).filter((layer) => file.startsWith(`${layer}/`));
  return layers[0] ?? TOP.find((top) => file === top || file.startsWith(`${top}/`));
}

function mayImport(from: string, to: string): boolean {
  if (from === to || TOP.includes(from)) return true;
  if (EXCEPTIONS.some(([a, b]) => a === from && b === to)) return true;
  return ALLOWED[from]?.includes(to) ?? false;
}

/** Every import in `text` (the source of `file`, a path from the root) that points the wrong way. */
export function wrongImports(file: string, text: string): string[] {
  const from = layerOf(file);
  if (from === undefined) return [`${file}: in no layer`];
  const wrong: string[] = [];
  for (const [, specifier = ""] of text.matchAll(IMPORT)) {
    const target = normalize(join(dirname(file), specifier));
    const to = layerOf(target);
    if (to !== undefined && !mayImport(from, to)) wrong.push(`${file}: ${from} imports ${target}`);
  }
  return wrong;
}

export async function checkImports(): Promise<string | undefined> {
  const wrong: string[] = [];
  // The check must be able to fail: a made-up upward import has to be found.
  const planted = wrongImports("src/core/planted.ts", 'import { x } from "../update/updater.ts";');
  if (planted.length !== 1) wrong.push("a planted upward import was not found");
  for await (const file of new Glob("{src,embed}/**/*.{ts,cts,mts}").scan({ cwd: ROOT })) {
    wrong.push(...wrongImports(file, await Bun.file(join(ROOT, file)).text()));
  }
  return wrong.length === 0 ? undefined : wrong.join("\n");
}
