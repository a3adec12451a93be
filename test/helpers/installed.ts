/** A made-up executable in a directory of its own, as the updater finds it. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import type { SecretSeed } from "../../src/core/brand.ts";
import { sha256 } from "../../src/core/hash.ts";
import { verifyExecutable, type VerifiedFull } from "../../src/exe/verify-executable.ts";
import { Installation } from "../../src/update/installation.ts";
import { TrustedState, type Candidate } from "../../src/update/trusted-state.ts";
import { ELF_HEADER, makeRelease, type ReleaseOptions, type TestRelease } from "./release.ts";

/** Releases are dated from here on, a second apart. */
export const START_S = 1_780_000_000;

export class InstalledApp {
  readonly seed: SecretSeed = generateSeed();
  readonly directory: string = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  readonly path: string = join(this.directory, "app");
  readonly release: TestRelease;
  readonly installation: Installation;
  readonly own: VerifiedFull;
  #dates = START_S;

  constructor(options: Partial<ReleaseOptions> = {}) {
    this.release = this.make({ version: "1.0.0", ...options });
    writeFileSync(this.path, this.release.file);
    chmodSync(this.path, 0o755);
    this.installation = Installation.open(this.path);
    const own = verifyExecutable(this.installation.source);
    if (own.kind !== "full") throw new Error("not a full executable");
    this.own = own;
  }

  /** A release of the same owner, later than the ones before. */
  make(options: ReleaseOptions): TestRelease {
    return makeRelease(this.seed, { head: ELF_HEADER, publishedS: ++this.#dates, ...options });
  }

  /** Step 2 for a release that is to be installed. */
  candidate(release: TestRelease): Candidate {
    const state = new TrustedState(this.own.record);
    const nowMs = (START_S + 1_000) * 1_000;
    state.learn(release.record, nowMs);
    const candidate = state.decide(nowMs);
    if (candidate === undefined) throw new Error("not a candidate");
    return candidate;
  }

  digest(): string {
    return digestOf(this.path);
  }

  remove(): void {
    this.installation.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Hexadecimal SHA-256. */
export function digestOf(path: string): string {
  return sha256(readFileSync(path)).toHex();
}

/** The code of what `act` throws, or "accepted". */
export function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return String(Reflect.get(Object(error), "code"));
  }
  return "accepted";
}
