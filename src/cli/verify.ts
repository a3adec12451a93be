import { keyText, parsePublicKey } from "../core/keys.ts";
import { verifyExecutable, type VerifiedExecutable } from "../exe/verify-executable.ts";
import { withFile } from "../fs/file-source.ts";
import { command, type Command } from "./command.ts";
import { JSON_ARGUMENT, report, table } from "./output.ts";

export const verify: Command = command({
  meta: { name: "verify", description: "Check an executable as an update is checked" },
  args: {
    binary: { type: "positional", required: true, description: "Signed executable" },
    "public-key": {
      type: "string",
      description: "The owner it must have (default: the one it names)",
      valueHint: "z32",
    },
    ...JSON_ARGUMENT,
  },
  run({ args }) {
    const text = args["public-key"];
    const owner = text === undefined ? undefined : parsePublicKey(text);
    const verified = withFile(args.binary, (source) => verifyExecutable(source, { owner }));
    const facts = describe(verified);
    report(args.json === true, { valid: true, pinned: owner !== undefined, ...facts }, [
      `${args.binary}: valid`,
      ...table(facts),
      ...notes(verified, owner !== undefined),
    ]);
  },
});

function describe(verified: VerifiedExecutable) {
  const common = {
    kind: verified.kind,
    version: verified.core.version?.text ?? null,
    publicKey: keyText(verified.owner),
    hash: verified.core.hash.toHex(),
    sizeBytes: verified.core.sizeBytes,
  };
  if (verified.kind === "core") return common;
  const { app, target, channel } = verified.extension;
  return { ...common, app, target, channel, root: verified.table.root.toHex() };
}

function notes(verified: VerifiedExecutable, isPinned: boolean): string[] {
  if (verified.kind === "core")
    return ["The position of a region of the Rust crate is not signed."];
  return isPinned
    ? []
    : ["Checked against the owner it names itself: pin yours with --public-key."];
}
