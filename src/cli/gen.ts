import { generateSeed, keyText, publicKeyOf } from "../core/keys.ts";
import { writeKeyFile } from "../release/key-file.ts";
import { command, type Command } from "./command.ts";
import { JSON_ARGUMENT, report } from "./output.ts";

export const gen: Command = command({
  meta: { name: "gen", description: "Make a new owner key" },
  args: {
    path: { type: "positional", required: true, description: "File to write; never overwritten" },
    ...JSON_ARGUMENT,
  },
  run({ args }) {
    const seed = generateSeed();
    writeKeyFile(args.path, seed);
    const publicKey = keyText(publicKeyOf(seed));
    report(args.json === true, { path: args.path, publicKey }, [
      `Wrote the secret owner key to ${args.path}. Keep a copy, and keep it out of git: whoever has it owns`,
      "every installed copy, and without it there are no more updates.",
      "",
      `Public key: ${publicKey}`,
      "",
      "Add to package.json:",
      `  "rustpatcher": { "publicKey": "${publicKey}" }`,
      "and to the app:",
      '  import "rustpatcher/auto";',
    ]);
  },
});
