import { systemClock } from "../core/clock.ts";
import { keyText } from "../core/keys.ts";
import { signExecutable } from "../release/sign.ts";
import { command, type Command } from "./command.ts";
import { KEY_ARGUMENTS, readOwnerKey } from "./key-source.ts";
import { complain, JSON_ARGUMENT, report } from "./output.ts";
import { RELEASE_ARGUMENTS, settingsFrom } from "./release-arguments.ts";

export const sign: Command = command({
  meta: { name: "sign", description: "Sign an executable in place" },
  args: {
    binary: {
      type: "positional",
      required: true,
      description: "Executable with a signature region",
    },
    ...KEY_ARGUMENTS,
    ...RELEASE_ARGUMENTS,
    force: {
      type: "boolean",
      description: "Hand the app to this key although another owner has it",
    },
    ...JSON_ARGUMENT,
  },
  run({ args }) {
    const { verified, warnings } = signExecutable(args.binary, {
      seed: readOwnerKey(args),
      settings: settingsFrom(args),
      force: args.force === true,
      directory: process.cwd(),
      publishedS: Math.floor(systemClock.nowMs() / 1000),
    });
    for (const warning of warnings) complain(warning);
    const version = verified.core.version?.text ?? "";
    const publicKey = keyText(verified.owner);
    const target = verified.kind === "full" ? verified.extension.target : null;
    report(
      args.json === true,
      { path: args.binary, kind: verified.kind, version, target, publicKey },
      [
        `${args.binary}: ${version}${target === null ? "" : ` for ${target}`}, signed by ${publicKey}`,
      ],
    );
  },
});
