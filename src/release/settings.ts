/** What a release says of itself besides its content: gathered from flags, region and package.json. */
import type { PublicKey } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { keyText, parsePublicKey } from "../core/keys.ts";
import { checkName } from "../core/release-record.ts";
import { checkTarget, type Target } from "../core/target.ts";
import { parseUpdateMode } from "../core/update-mode.ts";
import { parseUploadRate } from "../core/upload-rate.ts";
import { parseVersion, type ParsedVersion } from "../core/version.ts";
import { encodeZ32, tryDecodeZ32 } from "../core/z32.ts";
import type { Extension } from "../exe/extension.ts";
import { ReleaseError } from "./error.ts";

/** As people write them, unchecked. What is undefined is taken from the next source or has a default. */
export interface Settings {
  readonly app?: string | undefined;
  readonly version?: string | undefined;
  /** z-base-32. */
  readonly publicKey?: string | undefined;
  readonly target?: string | undefined;
  readonly channel?: string | undefined;
  readonly mode?: string | undefined;
  readonly intervalSeconds?: number | undefined;
  /** As upload-rate.ts reads it. */
  readonly upload?: string | undefined;
  readonly bootstrap?: readonly string[] | undefined;
  readonly statistics?: boolean | undefined;
  /** z-base-32 of 32 bytes. */
  readonly sharedSecret?: string | undefined;
  /** Path of the file that `key rotate` has written. */
  readonly rotation?: string | undefined;
}

const DEFAULT_CHANNEL = "stable";
const DEFAULT_MODE = "now";
const SECRET_BYTES = 32;
const INTERVAL_MAX_S = 86_400;
const HOST_PORT = /^[A-Za-z0-9.:[\]-]+:[1-9][0-9]{0,4}$/;

/** For each setting the value of the first source that has one. */
export function firstOf(...sources: readonly (Settings | undefined)[]): Settings {
  const out: Record<string, unknown> = {};
  for (const source of sources) {
    for (const [name, value] of Object.entries(source ?? {})) out[name] ??= value;
  }
  return out;
}

/** What a region that was reserved or signed before says. */
export function settingsOf(extension: Extension, version: ParsedVersion | undefined): Settings {
  const { app, owner, target, channel, mode, intervalSeconds } = extension;
  const { upload, bootstrap, sharedSecret, statistics } = extension;
  return {
    app,
    version: version?.text,
    publicKey: keyText(owner),
    target,
    channel,
    mode,
    intervalSeconds,
    upload,
    bootstrap,
    sharedSecret: sharedSecret === undefined ? undefined : encodeZ32(sharedSecret),
    statistics,
  };
}

/**
 * Checks every value; the result has no record yet.
 * @throws {ReleaseError} CONFIG_MISSING, CONFIG_INVALID
 * @throws {CoreError} FIELD_INVALID, KEY_TEXT, KEY_WEAK
 */
export function toExtension(settings: Settings, owner: PublicKey, target: Target): Extension {
  const mode = settings.mode ?? DEFAULT_MODE;
  parseUpdateMode(mode);
  if (settings.upload !== undefined) parseUploadRate(settings.upload);
  return {
    app: checkName(demand(settings.app, "app name", '"name" in package.json or --app'), "app name"),
    owner,
    target,
    channel: checkName(settings.channel ?? DEFAULT_CHANNEL, "channel"),
    mode,
    intervalSeconds: checkInterval(settings.intervalSeconds),
    upload: settings.upload,
    bootstrap: (settings.bootstrap ?? []).map(checkBootstrap),
    sharedSecret: checkSharedSecret(settings.sharedSecret),
    ...(settings.statistics === false ? { statistics: false } : {}),
    record: undefined,
  };
}

/** @throws {ReleaseError} CONFIG_MISSING @throws {CoreError} VERSION_INVALID */
export function versionOf(settings: Settings): ParsedVersion {
  return parseVersion(
    demand(settings.version, "version", '"version" in package.json or --version'),
  );
}

/** @throws {CoreError} KEY_TEXT, KEY_WEAK */
export function ownerOf(settings: Settings): PublicKey | undefined {
  return settings.publicKey === undefined ? undefined : parsePublicKey(settings.publicKey);
}

/**
 * `given` is the public half of the key to sign with.
 * @throws {ReleaseError} KEY_MISMATCH
 */
export function refuseOtherKey(named: PublicKey | undefined, given: PublicKey): void {
  if (named === undefined || equal(named, given)) return;
  throw new ReleaseError(
    "KEY_MISMATCH",
    `this app belongs to owner ${keyText(named)}, but the key given is that of ${keyText(given)}: use the right key (or sign with --force to hand the app to another owner)`,
    { blame: "usage", expected: keyText(named), actual: keyText(given) },
  );
}

/** @throws {CoreError} FIELD_INVALID */
export function requestedTarget(settings: Settings): Target | undefined {
  return settings.target === undefined ? undefined : checkTarget(settings.target);
}

/** @throws {ReleaseError} CONFIG_MISSING */
function demand(value: string | undefined, what: string, where: string): string {
  if (value !== undefined) return value;
  throw new ReleaseError("CONFIG_MISSING", `there is no ${what}: write it as ${where}`, {
    blame: "usage",
  });
}

function invalid(reason: string): ReleaseError {
  return new ReleaseError("CONFIG_INVALID", reason, { blame: "usage" });
}

function checkInterval(value: number | undefined): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= INTERVAL_MAX_S)) {
    return value;
  }
  throw invalid(`the interval must be a whole number of seconds from 1 to ${INTERVAL_MAX_S}`);
}

function checkBootstrap(address: string): string {
  if (HOST_PORT.test(address)) return address;
  throw invalid(`"${address.slice(0, 40)}" is not a bootstrap address: write host:port`);
}

export function checkSharedSecret(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const secret = tryDecodeZ32(text);
  if (secret?.length === SECRET_BYTES) return secret;
  throw invalid("the shared secret must be 52 characters of z-base-32, in the form `gen` writes");
}
