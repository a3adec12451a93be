/** The app's package.json: name, version and the `rustpatcher` block. All of it optional. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { PACKAGE_JSON_MAX_BYTES } from "../core/limits.ts";
import { withFile } from "../fs/file-source.ts";
import { ReleaseError } from "./error.ts";
import type { Settings } from "./settings.ts";

export interface Project {
  /** Absolute path of the package.json. */
  readonly path: string;
  readonly settings: Settings;
}

export type Json = Readonly<Record<string, unknown>>;

/**
 * The nearest package.json at or above the first of `directories` that has one.
 * @throws {ReleaseError} CONFIG_INVALID
 */
export function findProject(...directories: readonly (string | undefined)[]): Project | undefined {
  for (const directory of directories) {
    if (directory === undefined) continue;
    for (let at = resolve(directory); ; at = dirname(at)) {
      const path = join(at, "package.json");
      if (existsSync(path)) return { path, settings: parseSettings(path, readJson(path)) };
      if (at === dirname(at)) break;
    }
  }
  return undefined;
}

/** @throws {ReleaseError} CONFIG_INVALID */
export function readJson(path: string): Json {
  return withFile(path, (source) => {
    if (source.sizeBytes > PACKAGE_JSON_MAX_BYTES) throw invalid(path, "the file is too long");
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(source.read(0, source.sizeBytes)));
    } catch (cause) {
      throw invalid(path, "the file is not JSON", cause);
    }
    if (!isObject(value)) throw invalid(path, "the file is not a JSON object");
    return value;
  });
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(path: string, reason: string, cause?: unknown): ReleaseError {
  return new ReleaseError("CONFIG_INVALID", `${path}: ${reason}`, { blame: "usage", cause, path });
}

const TEXT_SETTINGS = [
  "app",
  "publicKey",
  "mode",
  "channel",
  "upload",
  "sharedSecret",
  "rotation",
] as const;

function parseSettings(path: string, json: Json): Settings {
  const block = json["rustpatcher"] ?? {};
  if (!isObject(block)) throw invalid(path, '"rustpatcher" must be an object');
  const { bootstrap, intervalSeconds, statistics, ...rest } = block;
  for (const [name, value] of Object.entries(rest)) {
    // A misspelt "chanel" would publish to the wrong channel in silence.
    if (!TEXT_SETTINGS.some((known) => known === name)) {
      throw invalid(path, `"rustpatcher.${name}" is not a known setting`);
    }
    if (typeof value !== "string") throw invalid(path, `"rustpatcher.${name}" must be text`);
  }
  if (bootstrap !== undefined && !isTextList(bootstrap)) {
    throw invalid(path, '"rustpatcher.bootstrap" must be a list of "host:port"');
  }
  if (intervalSeconds !== undefined && typeof intervalSeconds !== "number") {
    throw invalid(path, '"rustpatcher.intervalSeconds" must be a number');
  }
  if (statistics !== undefined && typeof statistics !== "boolean") {
    throw invalid(path, '"rustpatcher.statistics" must be true or false');
  }
  const text = (value: unknown): string | undefined =>
    typeof value === "string" ? value : undefined;
  const rotation = text(rest["rotation"]);
  return {
    app: text(rest["app"]) ?? text(json["name"]),
    version: text(json["version"]),
    publicKey: text(rest["publicKey"]),
    mode: text(rest["mode"]),
    channel: text(rest["channel"]),
    upload: text(rest["upload"]),
    sharedSecret: text(rest["sharedSecret"]),
    rotation: rotation && resolve(dirname(path), rotation),
    bootstrap,
    intervalSeconds,
    statistics,
  };
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
