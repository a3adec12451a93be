import { withFile } from "../fs/file-source.ts";
import { inspectExecutable, type Inspection } from "../release/inspect.ts";
import { command, type Command } from "./command.ts";
import { JSON_ARGUMENT, report, table } from "./output.ts";

export const inspect: Command = command({
  meta: { name: "inspect", description: "Show every field of the signature region" },
  args: {
    binary: {
      type: "positional",
      required: true,
      description: "Executable with a signature region",
    },
    ...JSON_ARGUMENT,
  },
  run({ args }) {
    const inspection = withFile(args.binary, inspectExecutable);
    report(args.json === true, inspection, lines(inspection));
  },
});

function lines({
  record,
  autoload,
  bootstrap,
  formerKeys,
  notes,
  codeSignature,
  codeSigner,
  ...fields
}: Inspection): string[] {
  const loads = Object.entries(autoload ?? {}).flatMap(([name, isOn]) => (isOn ? [name] : []));
  return [
    ...table({
      ...fields,
      codeSignature: kindOf(codeSignature, codeSigner),
      autoload: loads.join(", "),
      bootstrap: bootstrap.join(", "),
      formerKeys: formerKeys.join(", "),
    }),
    ...(record === null ? ["no release record"] : ["release record:", ...table({ ...record })]),
    ...(notes === null ? [] : ["release notes:", notes]),
  ];
}

/** Apple gives the names; whether a certificate is Apple's is for macOS to say. */
function kindOf(kind: Inspection["codeSignature"], name: string | null): string | null {
  if (kind === "authenticode") return "by a certificate (Authenticode)";
  if (kind !== "cms") return kind;
  if (name === null) return "by a certificate without a name";
  const isDeveloperId = name.startsWith("Developer ID Application: ");
  return isDeveloperId
    ? `by a Developer ID, as it says: ${name}`
    : `by another certificate: ${name}`;
}
