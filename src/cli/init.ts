import { initProject } from "../release/init.ts";
import { command, type Command } from "./command.ts";
import { DEFAULT_KEY_FILE } from "./key-source.ts";
import { JSON_ARGUMENT, report } from "./output.ts";

export const init: Command = command({
  meta: { name: "init", description: "Set up the app in this directory for updates" },
  args: {
    "key-file": {
      type: "string",
      description: `Owner key to make, or to use if it is there (default: ${DEFAULT_KEY_FILE})`,
      valueHint: "path",
    },
    ...JSON_ARGUMENT,
  },
  run({ args }) {
    const result = initProject(process.cwd(), args["key-file"] ?? DEFAULT_KEY_FILE);
    report(args.json === true, result, [
      ...result.changes,
      "",
      `Public key: ${result.publicKey}`,
      'Add to the app: import "rustpatcher/auto";',
      "Then make a release: bun build.ts --sign",
    ]);
  },
});
