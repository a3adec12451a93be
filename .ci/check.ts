/** Format, lint, types and house rules. Prints one line a check; exits 1 when any fails. */
import { auditBundle } from "./audit-bundle.ts";
import { checkImports } from "./check-imports.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const BIN = `${ROOT}node_modules/.bin`;
const STEP_TIMEOUT_MS = 300_000;

/** Undefined when all is well, else what to show. */
type Check = () => Promise<string | undefined>;

async function run(...argv: readonly string[]): Promise<{ exitCode: number; output: string }> {
  const child = Bun.spawn([...argv], {
    cwd: ROOT,
    stdout: "pipe",
    stderr: "pipe",
    timeout: STEP_TIMEOUT_MS,
    env: { ...process.env, PATH: `${BIN}:${process.env["PATH"] ?? ""}` },
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, output: stdout + stderr };
}

const passes =
  (...argv: readonly string[]): Check =>
  async () => {
    const { exitCode, output } = await run(...argv);
    return exitCode === 0 ? undefined : output;
  };

const OXLINT = [`${BIN}/oxlint`, "--type-aware", "--deny-warnings", "-c", ".ci/oxlintrc.json"];

/** An override whose glob matches nothing says nothing, so the rules are proved on a known-bad file. */
const lintBites: Check = async () => {
  const { output } = await run(...OXLINT, ".ci/fixtures/src/core/bad.ts");
  const wanted = ["no-explicit-any", "no-non-null-assertion", "no-default-export", "no-console"];
  const missed = wanted.filter((rule) => !output.includes(rule));
  return missed.length === 0
    ? undefined
    : `rules that did not fire: ${missed.join(", ")}\n${output}`;
};

/** The formatter would make tables of them, and a document says what nobody has written. */
const noConflictMarkers: Check = async () => {
  const { output } = await run("git", "grep", "-nE", "^(<{7}|>{7}) ");
  return output === "" ? undefined : output;
};

const checks: readonly (readonly [string, Check])[] = [
  ["no conflict markers", noConflictMarkers],
  ["format (bun fmt)", passes(`${BIN}/bun`, "fmt", "--check")],
  ["lint (oxlint, type-aware)", passes(...OXLINT, "--ignore-pattern=.ci/fixtures")],
  ["lint rules bite", lintBites],
  ["types (bun check)", passes(`${BIN}/bun`, "check")],
  ["types (tsc)", passes(`${BIN}/tsc`, "--noEmit")],
  ["types of the page (tsc)", passes(`${BIN}/tsc`, "-p", "src/watch/page/tsconfig.json")],
  ["import direction", checkImports],
  ["docs/CLI.md", passes(`${BIN}/bun`, ".ci/cli-docs.ts", "--check")],
  ["release and cli never travel into an app", auditBundle],
];

let failed = 0;
for (const [name, check] of checks) {
  const startedMs = performance.now();
  const problem = await check();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${problem === undefined ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  if (problem !== undefined) {
    failed++;
    console.log(problem.trimEnd());
  }
}
process.exit(failed === 0 ? 0 : 1);
