/**
 * What can be seen of every target from this machine, in one command:
 *
 *   bun test/targets/matrix.ts [--run]
 *
 * Builds all targets without the key and signs them elsewhere, then for each file: verify with a pinned owner, inspect,
 * signing once more, its code signature by a second reader and, where they are installed, by the tools of others
 * (rcodesign: crate apple-codesign; osslsigncode), and what `publish release.json` gives to `fetch --target`. With --run
 * also what update.ts and windows.ts see, which start the executables. Prints the table of docs/TARGETS.md; ends with 1
 * when a cell that can be seen here was not.
 */
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { TARGETS, type Target } from "../../src/core/target.ts";
import { columns } from "../../src/cli/output.ts";
import { readSignature } from "../helpers/code-signature.ts";
import { finished, LIFETIME_MS, says, STEP_TIMEOUT_MS, TargetsWorld } from "./world.ts";

const APP = `import "rustpatcher/auto";\nconsole.log("runs");\n`;
/** Of a page in the middle. */
const CHANGED_AT = 5_000_000;
const world = new TargetsWorld();
let isFailed = false;

interface Entry {
  readonly target: Target;
  readonly file: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

function cell(isSeen: boolean, text = "yes"): string {
  isFailed ||= !isSeen;
  return isSeen ? text : "FAILED";
}

/** Whether a tool of others says `pattern`; undefined where it is not installed. */
async function tool(pattern: RegExp, name: string, ...args: readonly string[]) {
  const path = Bun.which(name);
  if (path === null) return undefined;
  const { out, err } = await finished(world.spawn([path, ...args]));
  return pattern.test(out + err);
}

async function json(...args: readonly string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await world.done(...args, "--json")) as Record<string, unknown>;
}

const sha256 = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");

/** A file of macOS: each page by our second reader, and rcodesign before and after a byte was changed. */
async function checkMacos(path: string): Promise<string> {
  const { wrongPages, limit, offset, pages } = readSignature(readFileSync(path));
  let text = cell(wrongPages.length === 0 && limit === offset, `ad-hoc, ${pages} pages`);
  // It has no certificate, and nothing else is wrong with it.
  const isClean = await tool(
    /^(?![^]*mismatch)[^]*no cryptographic signature/,
    "rcodesign",
    "verify",
    path,
  );
  if (isClean === undefined) return text;
  const changed = `${path}.changed`;
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(CHANGED_AT) ^ 1, CHANGED_AT);
  await Bun.write(changed, bytes);
  const isFound = await tool(/digest mismatch/, "rcodesign", "verify", changed);
  rmSync(changed);
  text += cell(isClean && isFound === true, ", rcodesign");
  return text + (await checkCertified(path));
}

/** Signed with a certificate afterwards, with the hardened runtime: rcodesign finds no fault, and neither do we. */
async function checkCertified(path: string): Promise<string> {
  const [certificate, signed] = [world.path("certificate"), `${path}.certified`];
  const keys = ["--pem-file", `${certificate}.key`, "--pem-file", `${certificate}.crt`];
  const how = ["--timestamp-url", "none", "--code-signature-flags", "runtime"];
  await tool(
    /./,
    "rcodesign",
    "generate-self-signed-certificate",
    "--person-name",
    "Test",
    "--pem-filename",
    certificate,
  );
  await tool(/./, "rcodesign", "sign", ...how, ...keys, path, signed);
  const isRight = await tool(/no problems detected/, "rcodesign", "verify", signed);
  await world.done("verify", signed);
  const { codeSignature } = await json("inspect", signed);
  rmSync(signed);
  return cell(isRight === true && codeSignature === "cms", " (and with a certificate)");
}

/** A file of Windows: Authenticode afterwards, which both sides find right. */
async function checkWindows(path: string): Promise<string> {
  if (Bun.which("osslsigncode") === null || Bun.which("openssl") === null) return "none";
  const [key, certificate] = [world.path("key.pem"), world.path("certificate.pem")];
  const signed = `${path}.certified`;
  const subject = ["-subj", "/CN=test", "-addext", "extendedKeyUsage=codeSigning"];
  const files = ["-keyout", key, "-out", certificate];
  await tool(/./, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", ...subject, ...files);
  await tool(
    /./,
    "osslsigncode",
    "sign",
    "-certs",
    certificate,
    "-key",
    key,
    "-in",
    path,
    "-out",
    signed,
  );
  const args = ["verify", "-in", signed, "-CAfile", certificate];
  const isRight = await tool(/Signature verification: ok/, "osslsigncode", ...args);
  await world.done("verify", signed);
  const { codeSignature } = await json("inspect", signed);
  rmSync(signed);
  return cell(
    isRight === true && codeSignature === "authenticode",
    "none; osslsigncode afterwards",
  );
}

/** What a header can tell: not which instructions of a processor are used. */
const machineOf = (target: Target): string => target.replace("-baseline", "");

async function codeSignature(target: Target, path: string): Promise<string> {
  if (target.startsWith("darwin")) return checkMacos(path);
  if (target.startsWith("windows")) return checkWindows(path);
  const { codeSignature: kind } = await json("inspect", path);
  return cell(kind === "none", "–");
}

/** Signed once more, from the host that it is not for, it is as valid, and nothing but its date is new. */
async function signedAgain(path: string, publicKey: string): Promise<string> {
  const copy = `${path}.again`;
  copyFileSync(path, copy);
  await world.done("sign", copy, "--key-file", "owner_key");
  const [before, after] = [
    await json("verify", path, "--public-key", publicKey),
    await json("verify", copy, "--public-key", publicKey),
  ];
  rmSync(copy);
  return cell(before["root"] === after["root"]);
}

/** Lines of a script that starts executables, by the target they begin with. */
async function ran(script: string): Promise<Map<string, string[]>> {
  const command = [process.execPath, join(import.meta.dir, script)];
  const child = world.spawn(command, {}, world.directory, LIFETIME_MS);
  const { out, err, code } = await finished(child);
  if (code !== 0) console.error(out + err);
  isFailed ||= code !== 0;
  const lines = Map.groupBy(out.trim().split("\n"), (line) => line.split(" ")[0] ?? "");
  return new Map([...lines].map(([target, all]) => [target, all]));
}

function howItRan(target: Target, lines: ReadonlyMap<string, readonly string[]>): string {
  const own = lines.get(target);
  if (own === undefined) return "not run";
  const [first = ""] = own;
  if (target.startsWith("windows")) {
    const seen = own.filter((line) => line.includes(" seen ")).length;
    return `wine, updated itself (${seen} of ${own.length} checks)`;
  }
  return first.slice(target.length).trim();
}

try {
  await world.done("gen", "owner_key");
  const { publicKey } = (await json("key", "show", "owner_key")) as { publicKey: string };
  world.app(APP);
  const what = ["--app", "matrix", "--version", "1.0.0", "--target", "all"];
  await world.done("build", "app.ts", "--outfile", "out/app", ...what, "--public-key", publicKey);
  const signed = await json("sign", join("out", "release.json"), "--key-file", "owner_key");
  const entries = signed["files"] as readonly Entry[];
  const address = await world.dht();
  const publisher = world.cli("publish", join("out", "release.json"), "--bootstrap", address);
  await says(publisher, new RegExp(`(serving[^]*){${entries.length}}`), STEP_TIMEOUT_MS);

  const isRunning = process.argv.includes("--run");
  const runs = isRunning
    ? new Map([...(await ran("update.ts")), ...(await ran("windows.ts"))])
    : new Map<string, string[]>();
  const rows: string[][] = [];
  for (const { target, file, sizeBytes, sha256: digest } of entries) {
    const path = world.path("out", file);
    const verified = await json("verify", path, "--public-key", publicKey);
    const inspected = await json("inspect", path);
    const isWhole = sha256(path) === digest && inspected["fileBytes"] === sizeBytes;
    const name = basename(file);
    const fetching = [
      "fetch",
      publicKey,
      "--app",
      "matrix",
      "--target",
      target,
      "--out",
      `got-${name}`,
    ];
    await world.done(...fetching, "--bootstrap", address);
    const isSame = sha256(world.path(`got-${name}`)) === digest;
    rmSync(world.path(`got-${name}`));
    rows.push([
      target,
      cell(isWhole, String(sizeBytes)),
      cell(verified["valid"] === true && verified["pinned"] === true),
      cell(
        inspected["machine"] === machineOf(target) && inspected["state"] === "signed",
        String(inspected["regionOffset"]),
      ),
      await codeSignature(target, path),
      await signedAgain(path, publicKey),
      cell(isSame),
      ...(isRunning ? [howItRan(target, runs)] : []),
    ]);
  }
  isFailed ||= rows.length !== TARGETS.length;
  const head = [
    "target",
    "compiled, bytes",
    "signed, verified",
    "region at",
    "code signature",
    "signed again",
    "fetched",
  ];
  for (const line of columns([[...head, ...(isRunning ? ["ran"] : [])], ...rows]))
    console.log(line);
} finally {
  await world.destroy();
}
process.exitCode = isFailed ? 1 : 0;
