import { keyText, publicKeyOf } from "../core/keys.ts";
import { isEncryptedKey, ownerOfEncrypted } from "../release/encrypted-key.ts";
import { encryptKeyFile, parseSeedText, readKeyText } from "../release/key-file.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { JSON_ARGUMENT, report } from "./output.ts";
import { choosePassphrase } from "./passphrase.ts";
import { suggestion } from "./suggest.ts";

const ACTIONS = ["show", "encrypt"];

export const key: Command = command({
  meta: {
    name: "key",
    description: "Show the public key of an owner key file, or encrypt the file",
  },
  args: {
    action: { type: "positional", required: true, description: "show or encrypt" },
    path: { type: "positional", required: true, description: "Owner key file" },
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
    } else {
      throw usage(`key takes show or encrypt, not ${action}${suggestion(action, ACTIONS)}`);
    }
  },
});

function show(path: string): { publicKey: string; encrypted: boolean } {
  const text = readKeyText(path);
  const encrypted = isEncryptedKey(text);
  const owner = encrypted ? ownerOfEncrypted(text) : publicKeyOf(parseSeedText(text));
  return { publicKey: keyText(owner), encrypted };
}
