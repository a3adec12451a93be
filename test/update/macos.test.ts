import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import { memorySource } from "../../src/core/source.ts";
import { parseVersion } from "../../src/core/version.ts";
import { completion } from "../../src/exe/normal-form.ts";
import { codesign, readSignature } from "../helpers/code-signature.ts";
import { signedImage, tinyMacho, tinyStream } from "../helpers/tiny-executables.ts";

const INSTALL = join(import.meta.dir, "../helpers/install-once.ts");
const TIMEOUT_MS = 20_000;
const seed = generateSeed();
let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-macos-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A signed executable for darwin-arm64, in normal form and as `sign` completes it. */
function release(text: string, publishedS: number): Buffer {
  const version = parseVersion(text);
  const target = "darwin-arm64" as const;
  const normal = signedImage({
    seed,
    stream: tinyStream(tinyMacho()),
    record: { target, version, publishedS },
    extension: { target },
    core: { version },
  });
  const pieces = completion(memorySource(normal));
  const file = Buffer.alloc(Math.max(...pieces.map(({ offset, bytes }) => offset + bytes.length)));
  file.set(normal);
  for (const { offset, bytes } of pieces) file.set(bytes, offset);
  return file;
}

async function install(next: Uint8Array): Promise<string> {
  const path = join(directory, "app");
  writeFileSync(join(directory, "next"), next);
  const child = Bun.spawn([process.execPath, INSTALL, path, join(directory, "next")], {
    stderr: "pipe",
    timeout: TIMEOUT_MS,
  });
  return (await child.exited) === 0 ? "installed" : await child.stderr.text();
}

test(
  "steps 5 to 7 complete a macOS executable by themselves, whatever signature its provider runs with",
  async () => {
    const [older, newer] = [release("1.0.0", 1_790_000_000), release("1.0.1", 1_790_000_100)];
    const path = join(directory, "app");
    // The installed one has a certificate, and so has the one that peers run.
    writeFileSync(path, codesign(older), { mode: 0o755 });
    expect(await install(codesign(newer))).toBe("installed");
    const installed = readFileSync(path);
    expect(installed.equals(newer)).toBe(true);
    expect(readSignature(installed).wrongPages).toEqual([]);
    expect(readdirSync(directory).filter((name) => name.endsWith("-tmp"))).toEqual([]);
  },
  TIMEOUT_MS,
);
