/** publish release.json, and fetch for systems that are not here, as processes. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concat } from "../../src/core/bytes.ts";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { memorySource } from "../../src/core/source.ts";
import type { Target } from "../../src/core/target.ts";
import { completion } from "../../src/exe/normal-form.ts";
import { describeRelease, writeReleaseFile } from "../../src/release/release-file.ts";
import { codesign, readSignature } from "../helpers/code-signature.ts";
import {
  signedImage,
  tinyElf,
  tinyMacho,
  tinyPe,
  tinyStream,
} from "../helpers/tiny-executables.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const WAIT_MS = 30_000;
const seed = generateSeed();
let directory = "";
let running: Bun.Subprocess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-targets-"));
});
afterEach(async () => {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(running.map((child) => child.exited));
  running = [];
  rmSync(directory, { recursive: true, force: true });
});

function cli(...args: string[]) {
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: WAIT_MS,
    killSignal: "SIGKILL",
  });
  running.push(child);
  return child;
}

/** What it has said when that matches; everything else is left unread. */
async function says(child: ReturnType<typeof cli>, pattern: RegExp): Promise<string> {
  let text = "";
  for await (const bytes of child.stdout) {
    text += new TextDecoder().decode(bytes);
    const match = pattern.exec(text);
    if (match !== null) return match[0];
  }
  throw new Error(`it ended with ${text}${await child.stderr.text()}`);
}

function image(target: Target, header: Uint8Array): Uint8Array {
  const stream = tinyStream(header);
  return signedImage({ seed, stream, record: { target }, extension: { target } });
}

test(
  "one process serves a release for three systems, and each is fetched from here",
  async () => {
    const normal = image("darwin-arm64", tinyMacho());
    const [fields, signature] = [normal.slice(), completion(memorySource(normal)).at(-1)];
    for (const { offset, bytes } of completion(memorySource(normal)).slice(0, -1)) {
      fields.set(bytes, offset);
    }
    const macos = concat(fields, signature?.bytes ?? new Uint8Array(0));
    const files: readonly (readonly [Target, Uint8Array])[] = [
      ["linux-x64", image("linux-x64", tinyElf())],
      // What is handed out by hand has a certificate; what peers exchange is the same without it.
      ["darwin-arm64", codesign(macos)],
      ["windows-x64", image("windows-x64", tinyPe())],
    ];
    mkdirSync(join(directory, "out"));
    const paths = files.map(([target, bytes]) => {
      const path = join(directory, "out", target);
      writeFileSync(path, bytes);
      return path;
    });
    writeReleaseFile(join(directory, "out/release.json"), describeRelease(paths));

    const bootstrap = await says(cli("dht", "--port", "0"), /^127\.0\.0\.1:[0-9]+/m);
    const publisher = cli("publish", "out/release.json", "--bootstrap", bootstrap);
    await says(publisher, /(serving[^]*){3}/);
    for (const [target, bytes] of files) {
      const owner = keyText(publicKeyOf(seed));
      const what = ["--app", "tiny", "--target", target, "--out", `got-${target}`];
      const fetching = cli("fetch", owner, ...what, "--bootstrap", bootstrap);
      expect([target, await fetching.exited]).toEqual([target, 0]);
      const got = await Bun.file(join(directory, `got-${target}`)).bytes();
      expect(Buffer.compare(got, target === "darwin-arm64" ? macos : bytes)).toBe(0);
    }
    const installed = await Bun.file(join(directory, "got-darwin-arm64")).bytes();
    expect(readSignature(Buffer.from(installed)).wrongPages).toEqual([]);
  },
  2 * WAIT_MS,
);

test("a release.json that names a file elsewhere is not published", async () => {
  const json = { format: 1, files: [{ file: "../app" }] };
  writeFileSync(join(directory, "release.json"), JSON.stringify(json));
  const child = cli("publish", "release.json");
  expect(await child.exited).toBe(1);
  expect(await child.stderr.text()).toContain("not beside it");
});
