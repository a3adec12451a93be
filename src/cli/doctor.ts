import { systemClock } from "../core/clock.ts";
import { examine } from "../doctor/doctor.ts";
import type { Finding, Level } from "../doctor/finding.ts";
import { paint } from "./colour.ts";
import { command, type Command } from "./command.ts";
import { DEFAULT_KEY_FILE } from "./key-source.ts";
import { JSON_ARGUMENT, report, say } from "./output.ts";
import { markRefused } from "./run.ts";
import { BOOTSTRAP_ARGUMENT, bootstrapText } from "./serving.ts";

export const doctor: Command = command({
  meta: { name: "doctor", description: "Find out what keeps updates from working here" },
  args: {
    binary: {
      type: "positional",
      required: false,
      description: "Signed executable to look at as well",
    },
    "key-file": {
      type: "string",
      description: `Owner key to look at (default: ${DEFAULT_KEY_FILE})`,
      valueHint: "path",
    },
    ...BOOTSTRAP_ARGUMENT,
    ...JSON_ARGUMENT,
  },
  async run({ args }) {
    const isJson = args.json === true;
    const findings = await examine({
      path: args.binary,
      keyPath: args["key-file"] ?? DEFAULT_KEY_FILE,
      bootstrap: bootstrapText(args.bootstrap),
      clock: systemClock,
      onFinding: (finding) => {
        if (!isJson) say(describe(finding));
      },
    });
    const count = (level: Level): number => findings.filter((one) => one.level === level).length;
    const [failed, warned] = [count("fail"), count("warn")];
    const isWell = failed === 0;
    report(isJson, { ok: isWell, findings }, ["", verdict(failed, warned)]);
    if (!isWell) markRefused();
  },
});

const MARKS: Readonly<Record<Level, readonly [colour: "green" | "cyan" | "red", mark: string]>> = {
  ok: ["green", "ok  "],
  warn: ["cyan", "warn"],
  fail: ["red", "fail"],
};

function describe({ name, level, text, advice }: Finding): string {
  const [colour, mark] = MARKS[level];
  const line = `${paint(colour, mark)}  ${name.padEnd(15)} ${text}`;
  return advice === undefined ? line : `${line}\n${" ".repeat(22)}→ ${advice}`;
}

function verdict(failed: number, warned: number): string {
  if (failed > 0) return `${failed} to mend${warned > 0 ? `, ${warned} to look at` : ""}`;
  return warned > 0 ? `Updates work, with ${warned} to look at` : "All is well";
}
