/**
 * One release for systems that are not here: real executables, and what the tools of others say of them.
 * Needs the runtimes of these targets, which Bun keeps once it has fetched them.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { equal } from "../../src/core/bytes.ts";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { masked } from "../../src/core/source.ts";
import type { Target } from "../../src/core/target.ts";
import { adHocSignature } from "../../src/exe/code-directory.ts";
import { machoLayout } from "../../src/exe/macho-layout.ts";
import { checkCodeSignature, tryCodeSignature } from "../../src/exe/normal-form.ts";
import { verifyExecutable, type VerifiedExecutable } from "../../src/exe/verify-executable.ts";
import { withFile } from "../../src/fs/file-source.ts";
import { buildTargets, targetList, type BuiltRelease } from "../../src/release/build-targets.ts";
import { compileApp } from "../../src/release/compile.ts";
import { inspectExecutable } from "../../src/release/inspect.ts";
import { checkReleaseFile, readReleaseFile } from "../../src/release/release-file.ts";
import { signExecutable } from "../../src/release/sign.ts";
import { signRelease, type SignedRelease } from "../../src/release/sign-release.ts";
import { codesign, readSignature } from "../helpers/code-signature.ts";

const TIMEOUT_MS = 60_000;
const WANTED: readonly Target[] = ["darwin-x64", "darwin-arm64", "windows-x64"];
const RUNTIMES = ["bun-darwin-x64", "bun-darwin-aarch64", "bun-windows-x64"];
const seed = generateSeed();
const owner = publicKeyOf(seed);
const publishedS = 1_790_000_000;

const cache =
  process.env["BUN_INSTALL_CACHE_DIR"] ??
  join(process.env["BUN_INSTALL"] ?? join(homedir(), ".bun"), "install/cache");
const missing = RUNTIMES.filter((name) => !existsSync(join(cache, `${name}-v${Bun.version}`)));
if (missing.length > 0) {
  console.warn(
    `skipped: ${missing.join(", ")} not in ${cache}; \`bun build --compile\` fetches them`,
  );
}

let directory = "";
let first: BuiltRelease;
let signed: SignedRelease;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-targets-"));
  writeFileSync(join(directory, "package.json"), '{ "name": "many", "version": "1.2.3" }');
  writeFileSync(join(directory, "app.ts"), 'import "rustpatcher/auto";\nconsole.log("runs");\n');
  if (missing.length > 0) return;
  first = await buildInto("first");
  signed = signRelease(first.path, { seed, publishedS });
}, TIMEOUT_MS);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function buildInto(name: string): Promise<BuiltRelease> {
  mkdirSync(join(directory, name));
  return buildTargets(
    {
      entry: join(directory, "app.ts"),
      outfile: join(directory, name, "many"),
      settings: { publicKey: keyText(owner) },
      publishedS,
    },
    WANTED,
  );
}

function path(target: Target): string {
  const built = first.built.find((one) => one.target === target);
  if (built === undefined) throw new Error(`not built: ${target}`);
  return built.path;
}

const verify = (file: string): VerifiedExecutable =>
  withFile(file, (source) => verifyExecutable(source, { owner }));

/** Stdout of a tool of the system, or undefined where it is not installed. */
function run(tool: string, ...args: string[]): string | undefined {
  const found = Bun.which(tool);
  if (found === null) {
    console.warn(`skipped: ${tool} is not installed`);
    return undefined;
  }
  const { stdout, stderr, exitCode } = Bun.spawnSync([found, ...args], { timeout: 30_000 });
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout.toString();
}

describe.skipIf(missing.length > 0)("a release for many targets", () => {
  test(
    "is the same bytes when it is built again",
    async () => {
      const second = await buildInto("second");
      expect(second.release).toEqual(first.release);
      expect(second.release.files.map(({ target }) => target)).toEqual([...WANTED]);
      expect(second.release.files.map(({ root }) => root)).toEqual(WANTED.map(() => null));
      rmSync(join(directory, "second"), { recursive: true });
    },
    TIMEOUT_MS,
  );

  test(
    "is not signed when a file is not the one that was built",
    () => {
      const file = path("windows-x64");
      const bytes = readFileSync(file);
      writeFileSync(file, Buffer.concat([bytes, new Uint8Array(8)]));
      expect(() => signRelease(first.path, { seed, publishedS })).toThrow("not the ones");
      writeFileSync(file, bytes);
    },
    TIMEOUT_MS,
  );

  test(
    "is signed elsewhere with one key, each file for its own target",
    () => {
      const { release, warnings } = signed;
      expect(warnings).toEqual([]);
      expect(checkReleaseFile(first.path)).toEqual(first.built.map((built) => built.path));
      for (const { target, root, sha256 } of release.files) {
        const hash = new Bun.CryptoHasher("sha256").update(readFileSync(path(target)));
        expect(hash.digest("hex")).toBe(sha256);
        const verified = verify(path(target));
        if (verified.kind !== "full") throw new Error("not full");
        expect(verified.extension.target).toBe(target);
        expect(verified.table.root.toHex()).toBe(root ?? "");
        expect(withFile(path(target), inspectExecutable).machine).toBe(target);
      }
    },
    TIMEOUT_MS,
  );

  test.each(["darwin-x64", "darwin-arm64"] as const)(
    "%s has a code signature that others find right",
    (target) => {
      const { wrongPages, limit, offset } = readSignature(readFileSync(path(target)));
      expect({ wrongPages, limit }).toEqual({ wrongPages: [], limit: offset });
      const headers = run("llvm-objdump", "--macho", "--private-headers", path(target));
      if (headers !== undefined) expect(headers).toMatch(new RegExp(`dataoff ${offset}\\b`));
    },
    TIMEOUT_MS,
  );

  test(
    "darwin-arm64 gets from Bun itself the very signature that we would write over the same bytes",
    async () => {
      const outfile = join(directory, "raw");
      const entry = join(directory, "app.ts");
      await compileApp({ entry, outfile, target: "darwin-arm64", minify: false, bytecode: false });
      withFile(outfile, (source) => {
        const { contentBytes, signatureBytes, text } = machoLayout(source);
        const content = masked(source, contentBytes, []);
        const own = adHocSignature(content, text.fileBytes);
        expect(equal(source.read(contentBytes, signatureBytes), own)).toBe(true);
      });
      rmSync(outfile);
    },
    TIMEOUT_MS,
  );

  test(
    "darwin-arm64, signed with a certificate afterwards, verifies and is not signed again",
    () => {
      const file = join(directory, "certified");
      writeFileSync(file, codesign(readFileSync(path("darwin-arm64"))));
      expect(withFile(file, inspectExecutable).codeSignature).toBe("cms");
      const [before, after] = [verify(path("darwin-arm64")), verify(file)];
      expect(after.core.hash).toEqual(before.core.hash);
      expect(() => signExecutable(file, { seed, publishedS })).toThrow("sign it first");
      rmSync(file);
    },
    TIMEOUT_MS,
  );

  test(
    "windows-x64, signed with Authenticode afterwards, verifies, and Authenticode does too",
    () => {
      const [key, certificate] = [join(directory, "key.pem"), join(directory, "certificate.pem")];
      const subject = ["-subj", "/CN=test", "-addext", "extendedKeyUsage=codeSigning"];
      const files = ["-keyout", key, "-out", certificate];
      const made = run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        ...subject,
        ...files,
      );
      if (made === undefined) return;
      const out = join(directory, "certified.exe");
      const exes = ["-in", path("windows-x64"), "-out", out];
      const done = run("osslsigncode", "sign", "-certs", certificate, "-key", key, ...exes);
      if (done === undefined) return;
      expect(withFile(out, tryCodeSignature)).toBe("authenticode");
      expect(verify(out).core.hash).toEqual(verify(path("windows-x64")).core.hash);
      expect(() => signExecutable(out, { seed, publishedS })).toThrow("sign it first");
      expect(run("osslsigncode", "verify", "-in", out, "-CAfile", certificate)).toContain(
        "Signature verification: ok",
      );
      rmSync(out);
    },
    TIMEOUT_MS,
  );

  test(
    "a page that was changed is found though its owner's signature is not read",
    () => {
      const file = join(directory, "changed");
      copyFileSync(path("darwin-arm64"), file);
      const bytes = readFileSync(file);
      const { offset } = readSignature(bytes);
      bytes.writeUInt8(bytes.readUInt8(offset - 1) ^ 1, offset - 1);
      writeFileSync(file, bytes);
      expect(() => withFile(file, checkCodeSignature)).toThrow("does not match its slot");
      rmSync(file);
    },
    TIMEOUT_MS,
  );
});

test("a list of targets has commas, or is all of them", () => {
  expect(targetList("linux-x64")).toBeUndefined();
  expect(targetList(undefined)).toBeUndefined();
  expect(targetList("linux-x64, darwin-arm64,linux-x64")).toEqual(["linux-x64", "darwin-arm64"]);
  expect(targetList("all")).toHaveLength(12);
  expect(() => targetList("linux-x64,amiga")).toThrow("unknown target");
});

test.each([
  ["another version", { format: 2, files: [{ file: "a" }] }],
  ["no files", { format: 1, files: [] }],
  ["a file elsewhere", { format: 1, files: [{ file: "../a" }] }],
  ["a file below", { format: 1, files: [{ file: "out/a" }] }],
  ["a hidden file", { format: 1, files: [{ file: ".a" }] }],
  ["no name", { format: 1, files: [{}] }],
  ["too many files", { format: 1, files: Array.from({ length: 13 }, () => ({ file: "a" })) }],
])("a release.json with %s is refused", (_what, json) => {
  const file = join(directory, "bad.json");
  writeFileSync(file, JSON.stringify(json));
  expect(() => readReleaseFile(file)).toThrow("bad.json");
});
