/** A signed executable: everything an update goes through, and what a person should know besides. */
import { RustpatcherError } from "../core/error.ts";
import { keyText } from "../core/keys.ts";
import { tryDetectMachine } from "../exe/detect.ts";
import { targetOf } from "../exe/machine.ts";
import { tryCodeSignature, tryNormalForm } from "../exe/normal-form.ts";
import { readAutoload } from "../exe/standalone.ts";
import { verifyExecutable, type VerifiedExecutable } from "../exe/verify-executable.ts";
import { withFile } from "../fs/file-source.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

const DAY_S = 86_400;
/** Before its end there has to be a new release. */
const EXPIRES_SOON_S = 30 * DAY_S;

export interface ExecutableFindings {
  readonly findings: readonly Finding[];
  readonly verified: VerifiedExecutable | undefined;
}

/** @throws {FsError} when there is no such file */
export function checkExecutable(path: string, nowS: number): ExecutableFindings {
  return withFile(path, (source) => {
    const findings: Finding[] = [];
    let verified: VerifiedExecutable | undefined;
    try {
      verified = verifyExecutable(source);
      findings.push(regionFinding(verified), ...expiryFinding(verified, nowS));
    } catch (error) {
      if (!(error instanceof RustpatcherError)) throw error;
      findings.push(fail("region", error.message, "Build it with `rustpatcher build --sign`"));
    }
    const machine = tryDetectMachine(source);
    if (machine !== undefined) {
      findings.push(codeSignatureFinding(targetOf(machine), tryCodeSignature(source)));
    }
    const loads = Object.entries(readAutoload(tryNormalForm(source)) ?? {}).flatMap(
      ([name, isOn]) => (isOn ? [name] : []),
    );
    if (loads.length > 0) {
      findings.push(
        warn(
          "autoload",
          `it loads ${loads.join(" and ")} from the directory it is started in`,
          "Compile it with `rustpatcher build`, or with --no-compile-autoload-bunfig --no-compile-autoload-dotenv",
        ),
      );
    }
    return { findings, verified };
  });
}

function regionFinding(verified: VerifiedExecutable): Finding {
  const version = verified.core.version?.text ?? "";
  if (verified.kind === "core") {
    const text = `${version}, signed as by the Rust crate, without a release record`;
    return fail("region", text, "Sign it with `rustpatcher sign`: no copy takes it like this");
  }
  const { app, target, channel } = verified.extension;
  return ok(
    "region",
    `${app} ${version} for ${target} (${channel}), valid, of ${keyText(verified.owner)}`,
  );
}

function expiryFinding(verified: VerifiedExecutable, nowS: number): Finding[] {
  if (verified.kind === "core" || verified.record.record.expiresS === 0) return [];
  const leftS = verified.record.record.expiresS - nowS;
  const advice = "Sign a new release";
  if (leftS <= 0) return [fail("expiry", "the release has expired", advice)];
  const days = Math.floor(leftS / DAY_S);
  return leftS < EXPIRES_SOON_S
    ? [warn("expiry", `the release expires in ${days} days`, advice)]
    : [];
}

function codeSignatureFinding(target: string, kind: string | undefined): Finding {
  const name = "code signature";
  if (target.startsWith("linux")) return ok(name, "none needed on Linux");
  if (kind === undefined) {
    return fail(
      name,
      `damaged, or of a kind that cannot be read, for ${target}`,
      "Build and sign it anew",
    );
  }
  if (kind === "none" && target.startsWith("darwin")) {
    return fail(name, "missing: macOS does not start it", "Sign it with `rustpatcher sign`");
  }
  if (kind === "none") {
    return warn(
      name,
      "none: Windows warns whoever downloads it",
      "See docs/TARGETS.md for Authenticode",
    );
  }
  return ok(name, kind);
}
