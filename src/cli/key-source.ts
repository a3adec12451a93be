import { readFileSync } from "node:fs";
import type { SecretSeed } from "../core/brand.ts";
import { parseSeedText, readKeyFile } from "../release/key-file.ts";
import type { TextArgument } from "./command.ts";
import { usage } from "./error.ts";
import { askPassphrase } from "./passphrase.ts";

export const DEFAULT_KEY_FILE = "./owner_key";
const KEY_VARIABLE = "RUSTPATCHER_KEY";
const STDIN = "-";

export const KEY_ARGUMENTS: Readonly<Record<"key-file" | "key", TextArgument>> = {
  "key-file": {
    type: "string",
    description: `File of the owner key, - for stdin (default: ${KEY_VARIABLE}, else ${DEFAULT_KEY_FILE})`,
    valueHint: "path",
  },
  key: {
    type: "string",
    description: "The owner key itself; other users of this machine can see it",
    valueHint: "z32",
  },
};

/**
 * The owner key from where the command line says, else from the environment, else from ./owner_key.
 * @throws {CliError} USAGE when it is given in more than one way: they might differ
 * @throws {ReleaseError} KEY_MISSING, KEY_EXPOSED, KEY_PASSPHRASE, KEY_DAMAGED
 * @throws {CoreError} KEY_TEXT, KEY_WEAK
 */
export function readOwnerKey(args: {
  readonly "key-file"?: string | undefined;
  readonly key?: string | undefined;
}): SecretSeed {
  const file = args["key-file"];
  const variable = process.env[KEY_VARIABLE];
  if (args.key !== undefined) {
    if (file !== undefined) throw usage("give the owner key once: --key-file or --key");
    if (variable !== undefined) throw usage(`give the owner key once: --key or ${KEY_VARIABLE}`);
    return parseSeedText(args.key, askPassphrase);
  }
  if (file === STDIN) return parseSeedText(readFileSync(0, "latin1"), askPassphrase);
  if (file !== undefined) return readKeyFile(file, askPassphrase);
  return variable === undefined
    ? readKeyFile(DEFAULT_KEY_FILE, askPassphrase)
    : parseSeedText(variable, askPassphrase);
}
