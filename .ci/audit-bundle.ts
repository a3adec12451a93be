/** Bundles what an app carries and looks at what came along. */
import { join } from "node:path";
import { aliasPlugin } from "../embed/alias/plugin.ts";

const ROOT = join(import.meta.dir, "..");
const FORBIDDEN = ["src/release/", "src/cli/", "src/watch/", "src/doctor/", ".node"];

async function inputsOf(entry: string): Promise<string[]> {
  const result = await Bun.build({
    entrypoints: [join(ROOT, entry)],
    target: "bun",
    metafile: true,
    plugins: [aliasPlugin()],
    throw: true,
  });
  return Object.keys(result.metafile?.inputs ?? {});
}

function travelling(inputs: readonly string[]): string[] {
  return inputs.filter((input) => FORBIDDEN.some((part) => input.includes(part)));
}

export async function auditBundle(): Promise<string | undefined> {
  const problems: string[] = [];
  for (const entry of [
    "embed/auto.ts",
    "embed/main-half.ts",
    "embed/worker.ts",
    "embed/watchdog.ts",
    "src/index.ts",
    "src/hyperdht.ts",
  ]) {
    const inputs = await inputsOf(entry);
    if (inputs.length === 0) problems.push(`${entry}: the bundler listed no inputs`);
    problems.push(...travelling(inputs).map((input) => `${entry} carries ${input}`));
  }
  // The audit must be able to fail: the CLI does carry src/cli.
  if (travelling(await inputsOf("src/cli/main.ts")).length === 0) {
    problems.push("the audit did not find src/cli in the bundle of the CLI itself");
  }
  return problems.length === 0 ? undefined : problems.join("\n");
}
