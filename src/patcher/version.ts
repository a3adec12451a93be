import { compareVersions, parseVersion, type ParsedVersion } from "../core/version.ts";
import { CORE_BYTES, decodeCore } from "../exe/region.ts";
import { ownAssets } from "./assets.ts";

/** A version as semver.org 2.0.0 writes it, without build metadata. */
export class Version {
  readonly #parsed: ParsedVersion;

  private constructor(parsed: ParsedVersion) {
    this.#parsed = parsed;
  }

  /** The version that was stamped into this executable; undefined when none was, as under `bun run`. */
  static current(): Version | undefined {
    const { version } = decodeCore(ownAssets().readRegion().subarray(0, CORE_BYTES));
    return version && new Version(version);
  }

  /** @throws {CoreError} VERSION_INVALID */
  static parse(text: string): Version {
    return new Version(parseVersion(text));
  }

  get major(): number {
    return this.#parsed.major;
  }

  get minor(): number {
    return this.#parsed.minor;
  }

  get patch(): number {
    return this.#parsed.patch;
  }

  /** Empty for a release. */
  get prerelease(): readonly (number | string)[] {
    return this.#parsed.prerelease;
  }

  /** Negative, zero, positive as this version is below, equal to, above `other`. */
  compare(other: Version): number {
    return compareVersions(this.#parsed, other.#parsed);
  }

  toString(): string {
    return this.#parsed.text;
  }

  toJSON(): string {
    return this.#parsed.text;
  }
}
