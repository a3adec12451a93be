import { existsSync } from "node:fs";
import { generateSeed, keyText, publicKeyOf } from "../core/keys.ts";
import { checkName } from "../core/release-record.ts";
import { isEncryptedKey, ownerOfEncrypted } from "../release/encrypted-key.ts";
import {
  encryptKeyFile,
  parseSeedText,
  readKeyFile,
  readKeyText,
  writeKeyFile,
} from "../release/key-file.ts";
import { findProject } from "../release/project.ts";
import { rotateKey } from "../release/rotation.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { JSON_ARGUMENT, report } from "./output.ts";
import { askPassphrase, choosePassphrase } from "./passphrase.ts";
import { suggestion } from "./suggest.ts";

const ACTIONS = ["show", "encrypt", "rotate"];
const ROTATION_FILE = "./rotation.json";

export const key: Command = command({
  meta: {
    name: "key",
    description:
      "Show the public key of an owner key file, encrypt it, or hand the app over to another key",
  },
  args: {
    action: { type: "positional", required: true, description: "show, encrypt or rotate" },
    path: { type: "positional", required: true, description: "Owner key file" },
    successor: {
      type: "positional",
      required: false,
      description: "rotate: file of the new owner key, made when it is not there",
    },
    app: { type: "string", description: 'rotate: app name (default: "name" in package.json)' },
    channels: {
      type: "string",
      description:
        "rotate: all channels of the app, with commas (default: the one of package.json)",
    },
    out: {
      type: "string",
      description: `rotate: file to write (default: ${ROTATION_FILE})`,
      valueHint: "path",
    },
    ...JSON_ARGUMENT,
  },
  run({ args }) {
    const { action, path } = args;
    if (action === "show") {
      const facts = show(path);
      report(args.json === true, { path, ...facts }, [
        facts.publicKey,
        ...(facts.encrypted ? [] : ["not encrypted: see rustpatcher key encrypt"]),
      ]);
    } else if (action === "encrypt") {
      // A file that is not there or not a key is refused before anybody types a passphrase.
      show(path);
      const publicKey = keyText(encryptKeyFile(path, choosePassphrase()));
      report(args.json === true, { path, publicKey, encrypted: true }, [
        `${path} is encrypted now. Keep the passphrase apart from it: without it the key is lost.`,
        "The old content may still be on the disk, in backups and in copies.",
      ]);
    } else if (action === "rotate") {
      rotate(args);
    } else {
      throw usage(`key takes show, encrypt or rotate, not ${action}${suggestion(action, ACTIONS)}`);
    }
  },
});

function rotate(args: {
  readonly path: string;
  readonly successor?: string | undefined;
  readonly app?: string | undefined;
  readonly channels?: string | undefined;
  readonly out?: string | undefined;
  readonly json?: boolean | undefined;
}): void {
  const { successor: path } = args;
  if (path === undefined) throw usage("say which key follows: key rotate ./owner_key ./new_key");
  const settings = findProject(process.cwd())?.settings;
  const app = args.app ?? settings?.app;
  if (app === undefined) throw usage("there is no app name: write it as --app");
  const channels = (args.channels ?? settings?.channel ?? "stable").split(",");
  const seed = readKeyFile(args.path, askPassphrase);
  if (!existsSync(path)) writeKeyFile(path, generateSeed());
  const successor = publicKeyOf(readKeyFile(path, askPassphrase));
  const out = args.out ?? ROTATION_FILE;
  const handovers = rotateKey({
    path: out,
    seed,
    successor,
    app: checkName(app, "app name"),
    channels: channels.map((channel) => checkName(channel.trim(), "channel")),
  });
  const publicKey = keyText(successor);
  report(args.json === true, { path: out, publicKey, channels, handovers }, [
    `${out}: ${handovers} handovers of ${app} (${channels.join(", ")}) to ${publicKey}.`,
    "Nothing secret is in it: keep it in git. In package.json write",
    `  "rustpatcher": { "publicKey": "${publicKey}", "rotation": "${out}" }`,
    `and sign every release from the next on with ${path}: once a copy of it runs, or is published, all`,
    "copies follow the new key, and the old one signs nothing for them any more.",
  ]);
}

function show(path: string): { publicKey: string; encrypted: boolean } {
  const text = readKeyText(path);
  const encrypted = isEncryptedKey(text);
  const owner = encrypted ? ownerOfEncrypted(text) : publicKeyOf(parseSeedText(text));
  return { publicKey: keyText(owner), encrypted };
}
