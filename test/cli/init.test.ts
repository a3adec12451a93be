/** `init` with nobody to ask, and in a terminal. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withDirectory } from "../helpers/executable.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const TIMEOUT_MS = 30_000;
const PACKAGE = '{"name":"app","version":"1.0.0"}';

test("sets up a project once", () =>
  withDirectory((project) => {
    writeFileSync(join(project, "package.json"), PACKAGE);
    const init = (): { code: number; err: string } => {
      const { exitCode, stderr } = Bun.spawnSync([process.execPath, MAIN, "init"], {
        cwd: project,
      });
      return { code: exitCode, err: stderr.toString() };
    };
    expect(init()).toEqual({ code: 0, err: "" });
    expect(existsSync(join(project, "build.ts"))).toBe(true);
    expect(init()).toEqual({ code: 1, err: expect.stringContaining("block already") });
  }));

/** Types an answer to each question, in order. */
async function inTerminal(
  cwd: string,
  answers: readonly string[],
): Promise<{ code: number; shown: string }> {
  let shown = "";
  let answered = 0;
  const child = Bun.spawn([process.execPath, MAIN, "init"], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", TERM: "xterm", NO_COLOR: "1" },
    terminal: {
      cols: 100,
      rows: 20,
      data(terminal, bytes) {
        shown += bytes.toString();
        if (shown.split("?").length - 1 > answered)
          terminal.write(`${answers[answered++] ?? ""}\n`);
      },
    },
    timeout: TIMEOUT_MS,
  });
  const code = await child.exited;
  child.terminal?.close();
  return { code, shown };
}

test("asks in a terminal, and does as it is told", () =>
  withDirectory(async (project) => {
    writeFileSync(join(project, "package.json"), PACKAGE);
    const { code, shown } = await inTerminal(project, ["src/start.ts", "y"]);
    expect([code, shown]).toEqual([0, expect.stringContaining("Wrote src/start.ts")]);
    expect(readFileSync(join(project, "build.ts"), "utf8")).toContain("src/start.ts");
    expect(existsSync(join(project, ".github/workflows/release.yml"))).toBe(true);
  }));

test("an empty answer is what is usual, and no workflow", () =>
  withDirectory(async (project) => {
    writeFileSync(join(project, "package.json"), PACKAGE);
    writeFileSync(join(project, "main.ts"), "");
    expect(await inTerminal(project, ["", ""])).toMatchObject({ code: 0 });
    expect(readFileSync(join(project, "main.ts"), "utf8")).toContain("rustpatcher/auto");
    expect(existsSync(join(project, ".github"))).toBe(false);
  }));

test.each([
  ["without a package.json", undefined, "there is no package.json"],
  ["a second time", '{"name":"app","rustpatcher":{}}', "block already"],
])("asks nothing %s", (_, text, sentence) =>
  withDirectory(async (project) => {
    if (text !== undefined) writeFileSync(join(project, "package.json"), text);
    const before = readdirSync(project);
    const { code, shown } = await inTerminal(project, []);
    expect([code, shown]).toEqual([1, expect.stringContaining(sentence)]);
    expect(shown).not.toContain("?");
    expect(readdirSync(project)).toEqual(before);
  }),
);
