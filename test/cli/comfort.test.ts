/** What makes the command line pleasant: help, suggestions, completion, colours, silence. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isColoured } from "../../src/cli/colour.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { EXAMPLES } from "../../src/cli/examples.ts";
import { positionalsOf } from "../../src/cli/run.ts";
import { cliDocs } from "../../.ci/cli-docs.ts";

const ROOT = join(import.meta.dir, "../..");
const MAIN = join(ROOT, "src/cli/main.ts");
const TIMEOUT_MS = 20_000;
const ESCAPE = "\u001B";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-comfort-"));
  mkdirSync(join(directory, "keys"));
  for (const name of ["keys/owner_key", "my-app", ".hidden"]) {
    writeFileSync(join(directory, name), "");
  }
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function cli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { code: number; out: string; err: string } {
  const { NO_COLOR: _no, FORCE_COLOR: _force, CI: _ci, ...inherited } = process.env;
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, MAIN, ...args], {
    cwd: directory,
    env: { ...inherited, ...env },
    timeout: TIMEOUT_MS,
  });
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

describe("help", () => {
  test.each(Object.keys(COMMANDS))("%s has examples that its own arguments allow", async (name) => {
    const examples = EXAMPLES[name] ?? [];
    expect(examples.length).toBeGreaterThan(0);
    const command = await COMMANDS[name]?.();
    if (command === undefined) throw new Error(`no command ${name}`);
    for (const example of examples) {
      const [program, named, ...words] = example.replace(/<public key>/, "key").split(" ");
      expect([program, named]).toEqual(["rustpatcher", name]);
      const args = words.join(" ").replace(/ >>? .*$/, "");
      expect(() => positionalsOf(command, args.split(" "))).not.toThrow();
      expect(cli([name, "--help"]).out).toContain(example);
    }
  });

  test("docs/CLI.md is what the commands say", async () => {
    expect(await Bun.file(join(ROOT, "docs/CLI.md")).text()).toBe(await cliDocs());
  });
});

test.each([
  [["verifi", "x"], "did you mean verify?"],
  [["sign", "x", "--key-fil", "y"], "did you mean --key-file?"],
  [["inspect", "x", "--jsn"], "did you mean --json?"],
])("%j: wrong usage, and what may have been meant", (args, sentence) => {
  const { code, err, out } = cli(args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain(sentence);
});

describe("completion", () => {
  const offered = (...words: string[]): string[] =>
    cli(["complete", "--", ...words])
      .out.trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith(":"))
      .map((line) => line.split("\t")[0] ?? "");

  test.each(["bash", "zsh", "fish"])("the script for %s is accepted by that shell", (shell) => {
    const { code, out } = cli(["complete", shell]);
    expect(code).toBe(0);
    expect(out).toContain("rustpatcher complete --");
    const path = Bun.which(shell);
    if (path === null) return;
    const checked = Bun.spawnSync([path, "-n"], { stdin: Buffer.from(out), timeout: TIMEOUT_MS });
    expect({ code: checked.exitCode, err: checked.stderr.toString() }).toEqual({
      code: 0,
      err: "",
    });
  });

  test("bash asks the command and gets an answer", () => {
    const script = cli(["complete", "bash"]).out;
    const [name] = /complete -F (\w+) rustpatcher/.exec(script)?.slice(1) ?? [];
    const session = `rustpatcher() { "${process.execPath}" "${MAIN}" "$@"; }
_get_comp_words_by_ref() { cur="\${COMP_WORDS[COMP_CWORD]}"; prev=""; words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
${script}
COMP_WORDS=(rustpatcher ver); COMP_CWORD=1; COMP_LINE="rustpatcher ver"; COMP_POINT=15
${name ?? "no completion function"}
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = Bun.spawnSync(["bash", "-c", session], {
      cwd: directory,
      timeout: TIMEOUT_MS,
    });
    expect(stdout.toString().trim()).toMatch(/^verify\b/);
  });

  test("of commands, flags, values and files", () => {
    expect(offered("ver")).toEqual(["verify"]);
    expect(offered("sign", "--key-")).toEqual(["--key-file"]);
    expect(offered("build", "app.ts", "--mode", "on")).toEqual(["on-restart"]);
    expect(offered("sign", "my")).toEqual(["my-app"]);
    expect(offered("sign", "./my")).toEqual(["./my-app"]);
    expect(offered("sign", "my-app", "--key-file", "keys/")).toEqual(["keys/owner_key"]);
    expect(offered("sign", "")).not.toContain(".hidden");
    expect(offered("sign", ".h")).toEqual([".hidden"]);
    expect(offered("complete", "f")).toEqual(["fish"]);
    expect(offered("sign", "nowhere/")).toEqual([]);
  });

  test("of what came later", () => {
    for (const name of ["withdraw", "status", "watch", "doctor"]) {
      expect(offered(name.slice(0, -1))).toContain(name);
    }
    const flags = ["rollout", "critical", "previous", "limit", "until-percent"];
    expect(offered("publish", "my-app", "--")).toEqual(
      expect.arrayContaining(flags.map((name) => `--${name}`)),
    );
    for (const signing of ["build", "sign"]) {
      expect(offered(signing, "my-app", "--")).toEqual(
        expect.arrayContaining(["--notes", "--rollout", "--critical", "--from", "--rotation"]),
      );
    }
    expect(offered("sign", "my-app", "--mode", "b")).toEqual(["background"]);
    expect(offered("sign", "my-app", "--rollout", "1")).toEqual(["10%", "100%"]);
    expect(offered("build", "my-app", "--target", "linux-arm64-")).toEqual(["linux-arm64-musl"]);
    expect(offered("build", "my-app", "--target", "a")).toEqual(["all"]);
    expect(offered("key", "r")).toEqual(["rotate"]);
    expect(offered("key", "rotate", "keys/")).toEqual(["keys/owner_key"]);
    expect(offered("key", "rotate", "keys/owner_key", "keys/")).toEqual(["keys/owner_key"]);
  });

  test("an unknown shell is wrong usage", () => {
    expect(cli(["complete", "tcsh"])).toMatchObject({ code: 2, out: "" });
  });
});

describe("colours", () => {
  const terminal = { isTTY: true };
  test.each<[string, { isTTY: boolean }, Record<string, string>, boolean]>([
    ["on a terminal", terminal, {}, true],
    ["not in a pipe", { isTTY: false }, {}, false],
    ["not on a terminal that has none", terminal, { TERM: "dumb" }, false],
    ["not with NO_COLOR", terminal, { NO_COLOR: "1", FORCE_COLOR: "1" }, false],
    ["with an empty NO_COLOR as without", terminal, { NO_COLOR: "" }, true],
    ["in a pipe with FORCE_COLOR", { isTTY: false }, { FORCE_COLOR: "1" }, true],
    ["not with FORCE_COLOR=0", terminal, { FORCE_COLOR: "0" }, false],
  ])("%s", (_when, output, environment, isOn) => {
    expect(isColoured(output, environment)).toBe(isOn);
  });

  test("a refusal and the help follow the environment", () => {
    expect(cli(["nonsense"]).err).not.toContain(ESCAPE);
    expect(cli(["nonsense"], { FORCE_COLOR: "1" }).err).toContain(ESCAPE);
    expect(cli(["--help"], { FORCE_COLOR: "1" }).out).toContain(ESCAPE);
    expect(cli(["--help"], { FORCE_COLOR: "1", NO_COLOR: "1" }).out).not.toContain(ESCAPE);
  });
});

describe("--quiet", () => {
  test("prints nothing when all is well", () => {
    expect(cli(["gen", "quiet-key", "--quiet"])).toEqual({ code: 0, out: "", err: "" });
  });
  test("still tells problems", () => {
    const { code, out, err } = cli(["gen", "my-app", "--quiet"]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("not overwritten");
  });
  test("beside --json, prints the document", () => {
    const { out } = cli(["gen", "json-key", "--quiet", "--json"]);
    expect(JSON.parse(out)).toHaveProperty("publicKey");
  });
});
