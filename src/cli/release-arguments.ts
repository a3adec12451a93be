import type { Settings } from "../release/settings.ts";

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
} as const;

export function settingsFrom(args: {
  readonly [name in keyof typeof RELEASE_ARGUMENTS]?: string | undefined;
}): Settings {
  const { app, version, channel, mode, target } = args;
  return { app, version, channel, mode, target };
}
