/** Writes docs/CLI.md from the commands; with --check it only says whether the file is up to date. */
import { join } from "node:path";
import { commandTable } from "../src/cli/commands.ts";
import { EXAMPLES } from "../src/cli/examples.ts";

const FILE = join(import.meta.dir, "../docs/CLI.md");

const INTRODUCTION = `# Command line

\`bunx rustpatcher <command>\`, or \`rustpatcher\` where \`node_modules/.bin\` is on the path. Written by \`bun .ci/cli-docs.ts\`.

- **Exit code**: 0 done, 1 refused, with one sentence on stderr that says what to do, 2 wrong usage, 130 stopped by Ctrl-C (143 by \`kill\`); what serves until it is stopped ends with 0.
- **Output**: results on stdout, problems and progress on stderr. \`--json\` makes the result one JSON document (\`publish\`, \`watch\`: one a line; described in
  [schema/cli.json](schema/cli.json)), and a
  refusal \`{ "error": { "code", "message" } }\`. \`--quiet\` leaves problems only.
- **Progress** of long work is a bar on a terminal, and a plain line now and then elsewhere.
- **Colours**: on a terminal, unless \`NO_COLOR\` is set; \`FORCE_COLOR=1\` asks for them elsewhere.
- **Environment**: \`RUSTPATCHER_KEY\` is the owner key for \`sign\` and \`build\`, \`RUSTPATCHER_BOOTSTRAP\` the nodes to join the network by,
  \`RUSTPATCHER_PASSPHRASE\` opens an encrypted key file.
- Every command has \`--help\`.
`;

export async function cliDocs(): Promise<string> {
  const sections = Object.entries(await commandTable()).map(([name, { description, args }]) => {
    const rows = Object.entries(args).map(
      ([argument, { type, required, valueHint, description: text = "" }]) => {
        if (type === "positional") {
          return { left: required === false ? `[${argument}]` : `<${argument}>`, text };
        }
        const value = type === "boolean" ? "" : ` <${valueHint ?? argument}>`;
        return { left: `--${argument}${value}`, text };
      },
    );
    const width = Math.max(0, ...rows.map(({ left }) => left.length)) + 2;
    const lines = rows.map(({ left, text }) => `${left.padEnd(width)}${text}`);
    const positionals = rows.flatMap(({ left }) => (/^[<[]/.test(left) ? [` ${left}`] : []));
    return [
      `## ${name}`,
      `${description}.`,
      `\`\`\`text\nrustpatcher ${name}${positionals.join("")}\n\n${lines.join("\n")}\n\`\`\``,
      `\`\`\`sh\n${(EXAMPLES[name] ?? []).map((line) => `bunx ${line}`).join("\n")}\n\`\`\``,
    ].join("\n\n");
  });
  return `${INTRODUCTION}\n${sections.join("\n\n")}\n`;
}

if (import.meta.main) {
  const wanted = await cliDocs();
  if (!process.argv.includes("--check")) await Bun.write(FILE, wanted);
  else if ((await Bun.file(FILE).text()) !== wanted) {
    console.log("docs/CLI.md is not what the commands say: run bun .ci/cli-docs.ts");
    process.exitCode = 1;
  }
}
