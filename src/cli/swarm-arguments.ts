/** What names the swarm of an app, for the commands that join one without having a copy. */
import type { PublicKey } from "../core/brand.ts";
import { parsePublicKey } from "../core/keys.ts";
import { checkName } from "../core/release-record.ts";
import { checkTarget, type Target } from "../core/target.ts";
import type { TargetName } from "../core/target-key.ts";
import { detectMachine } from "../exe/detect.ts";
import { targetOf } from "../exe/machine.ts";
import { withFile } from "../fs/file-source.ts";
import { checkSharedSecret } from "../release/settings.ts";
import { bootstrapFrom, type Bootstrap } from "../swarm/bootstrap.ts";
import { usage } from "./error.ts";
import { bootstrapText } from "./serving.ts";

/** Beside BOOTSTRAP_ARGUMENT. */
export const SWARM_ARGUMENTS = {
  "owner-public-key": { type: "positional", required: true, description: "Of the app's owner" },
  app: { type: "string", description: "App name, as in its package.json (required)" },
  target: { type: "string", description: "Default: this machine's" },
  channel: { type: "string", description: "Default: stable" },
  "shared-secret": {
    type: "string",
    description: "Of a private swarm; other users of this machine can see it",
    valueHint: "z32",
  },
} as const;

export interface SwarmOptions {
  readonly owner: PublicKey;
  readonly name: TargetName & { readonly target: Target };
  readonly sharedSecret: Uint8Array | undefined;
  readonly bootstrap: Bootstrap;
}

/**
 * @throws {CliError} USAGE without an app
 * @throws {CoreError} FIELD_INVALID, KEY_TEXT, KEY_WEAK @throws {ReleaseError} CONFIG_INVALID
 * @throws {SwarmError} BOOTSTRAP_INVALID
 */
export function swarmFrom(args: {
  readonly [name in keyof typeof SWARM_ARGUMENTS | "bootstrap"]?: string | undefined;
}): SwarmOptions {
  if (args.app === undefined) throw usage("--app <name> is missing, see --help");
  return {
    name: {
      app: checkName(args.app, "app name"),
      target: args.target === undefined ? ownTarget() : checkTarget(args.target),
      channel: checkName(args.channel ?? "stable", "channel"),
    },
    owner: parsePublicKey(args["owner-public-key"] ?? ""),
    sharedSecret: checkSharedSecret(args["shared-secret"]),
    bootstrap: bootstrapFrom(bootstrapText(args.bootstrap), []),
  };
}

/** What this Bun was compiled for. */
function ownTarget(): Target {
  return withFile(process.execPath, (source) => targetOf(detectMachine(source)));
}
