import { readFileSync, statSync } from "node:fs";
import { NOTES_MAX_BYTES } from "../core/limits.ts";
import { parseRollout, type Announcement } from "../release/announcement.ts";
import type { Settings } from "../release/settings.ts";
import { usage } from "./error.ts";

/** What `build` and `sign` stamp into the region; each wins over package.json. */
export const RELEASE_ARGUMENTS = {
  app: { type: "string", description: 'App name (default: "name" in package.json)' },
  version: { type: "string", description: 'Version (default: "version" in package.json)' },
  channel: { type: "string", description: "Channel (default: stable)" },
  mode: {
    type: "string",
    description: "now, on-restart, manual, background or at HH:MM (default: now)",
  },
  target: {
    type: "string",
    description: "linux-x64, linux-arm64-musl, darwin-arm64, … (default: this machine's)",
  },
  rotation: {
    type: "string",
    description: 'File of `key rotate` (default: "rustpatcher.rotation" in package.json)',
    valueHint: "path",
  },
} as const;

export function settingsFrom(args: {
  readonly [name in keyof typeof RELEASE_ARGUMENTS]?: string | undefined;
}): Settings {
  const { app, version, channel, mode, target, rotation } = args;
  return { app, version, channel, mode, target, rotation };
}

/** What `build` and `sign` say of a release beside what it is. */
export const ANNOUNCEMENT_ARGUMENTS = {
  notes: {
    type: "string",
    description: "Release notes, or @file to read them from: at most 4 KiB of text",
    valueHint: "text",
  },
  rollout: {
    type: "string",
    description: "How many of the copies may install it now (default: 100%); sign again for more",
    valueHint: "10%",
  },
  critical: { type: "boolean", description: "Do not hold it back by a rollout; told to the app" },
  from: {
    type: "string",
    description: "The lowest version that may update directly to this one",
    valueHint: "version",
  },
} as const;

/** Compressed they may be longer than they look; a file beyond this is none of notes. */
const NOTES_FILE_MAX_BYTES = 4 * NOTES_MAX_BYTES;

/** @throws {CliError} USAGE @throws {ReleaseError} CONFIG_INVALID */
export function announcementFrom(args: {
  readonly notes?: string | undefined;
  readonly rollout?: string | undefined;
  readonly critical?: boolean | undefined;
  readonly from?: string | undefined;
}): Announcement {
  const { notes, rollout, critical, from } = args;
  return {
    notes: notes?.startsWith("@") === true ? notesFile(notes.slice(1)) : notes,
    rolloutPercent: rollout === undefined ? undefined : parseRollout(rollout),
    isCritical: critical,
    from,
  };
}

function notesFile(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() !== true) throw usage(`there is no file ${path} to read the notes from`);
  if (stats.size > NOTES_FILE_MAX_BYTES) throw usage(`${path} is too long for release notes`);
  return readFileSync(path, "utf8");
}
