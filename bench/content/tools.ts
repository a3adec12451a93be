/** What others make of the same two files. */
import { statSync } from "node:fs";
import { join } from "node:path";

const PACKAGES = ["bsdiff", "xdelta3", "zstd"] as const;

export interface ToolResult {
  readonly sizeBytes: number;
  readonly seconds: number;
}

/** @throws when the program fails. */
export function run(command: readonly string[], cwd = "/"): void {
  const { exitCode, stderr } = Bun.spawnSync([...command], {
    cwd,
    stdout: "ignore",
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}

/** Installs what is missing from Debian's packages. */
export function installTools(): void {
  const missing = PACKAGES.filter((name) => Bun.which(name) === null);
  if (missing.length === 0) return;
  run(["apt-get", "update"]);
  run(["apt-get", "install", "-y", ...missing]);
}

export type Tool = "bsdiff" | "xdelta3" | "zstd";
export const TOOLS: readonly Tool[] = ["bsdiff", "xdelta3", "zstd"];

function commandOf(tool: Tool, old: string, next: string, out: string): string[] {
  switch (tool) {
    case "bsdiff":
      return ["bsdiff", old, next, out];
    case "xdelta3": {
      const window = ["-B", "536870912"];
      return ["xdelta3", "-e", "-f", "-9", "-S", "lzma", ...window, "-s", old, next, out];
    }
    case "zstd": {
      const patch = ["-19", "--long=27", `--patch-from=${old}`];
      return ["zstd", "-q", "-f", ...patch, next, "-o", out];
    }
  }
}

export function difference(tool: Tool, old: string, next: string, directory: string): ToolResult {
  const out = join(directory, `difference.${tool}`);
  const startMs = performance.now();
  run(commandOf(tool, old, next, out));
  return { sizeBytes: statSync(out).size, seconds: (performance.now() - startMs) / 1000 };
}
