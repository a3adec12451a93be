import { systemClock } from "../core/clock.ts";
import { keyText } from "../core/keys.ts";
import { isReleaseFile } from "../release/release-file.ts";
import { signRelease } from "../release/sign-release.ts";
import { signExecutable, type SignOptions } from "../release/sign.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { KEY_ARGUMENTS, readOwnerKey } from "./key-source.ts";
import { columns, complain, JSON_ARGUMENT, report } from "./output.ts";
import { showProgress, type Progress } from "./progress.ts";
import {
  ANNOUNCEMENT_ARGUMENTS,
  announcementFrom,
  RELEASE_ARGUMENTS,
  settingsFrom,
} from "./release-arguments.ts";

export const sign: Command = command({
  meta: { name: "sign", description: "Sign an executable in place" },
  args: {
    binary: {
      type: "positional",
      required: true,
      description: "Executable with a signature region, or a release.json beside several",
    },
    ...KEY_ARGUMENTS,
    ...RELEASE_ARGUMENTS,
    ...ANNOUNCEMENT_ARGUMENTS,
    force: {
      type: "boolean",
      description: "Hand the app to this key although another owner has it",
    },
    ...JSON_ARGUMENT,
  },
  run({ args }) {
    const progress = showProgress("signing", args.json === true);
    const options: SignOptions = {
      seed: readOwnerKey(args),
      settings: settingsFrom(args),
      announcement: announcementFrom(args),
      force: args.force === true,
      directory: process.cwd(),
      publishedS: Math.floor(systemClock.nowMs() / 1000),
      onProgress: progress.update,
    };
    try {
      if (isReleaseFile(args.binary)) signAll(args.binary, options, args.json === true, progress);
      else signOne(args.binary, options, args.json === true, progress);
    } finally {
      progress.end();
    }
  },
});

function signOne(path: string, options: SignOptions, isJson: boolean, progress: Progress): void {
  const { verified, warnings } = signExecutable(path, options);
  progress.end();
  for (const warning of warnings) complain(warning);
  const version = verified.core.version?.text ?? "";
  const publicKey = keyText(verified.owner);
  const target = verified.kind === "full" ? verified.extension.target : null;
  report(isJson, { path, kind: verified.kind, version, target, publicKey }, [
    `${path}: ${version}${target === null ? "" : ` for ${target}`}, signed by ${publicKey}`,
  ]);
}

function signAll(path: string, options: SignOptions, isJson: boolean, progress: Progress): void {
  if (options.settings?.target !== undefined) throw usage("each file has its own target already");
  const { release, warnings } = signRelease(path, options);
  progress.end();
  for (const warning of warnings) complain(warning);
  const { version, publicKey, files } = release;
  report(isJson, { path, ...release }, [
    ...columns(files.map(({ target, file, root }) => [target, file, root ?? ""])),
    `${path}: ${version}, ${files.length} files, signed by ${publicKey}`,
  ]);
}
