/** What the commands print with --json is what docs/schema/cli.json says. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jsonLines } from "../../src/cli/watch-views.ts";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { writeKeyFile } from "../../src/release/key-file.ts";
import { RolloutModel } from "../../src/watch/model.ts";
import { createLoopbackDht } from "../helpers/dht.ts";
import { makeRelease } from "../helpers/release.ts";
import { problemsOf } from "../helpers/schema.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const TIMEOUT_MS = 60_000;
const seed = generateSeed();
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-schema-"));
  writeFileSync(join(directory, "package.json"), "{}");
  writeKeyFile(join(directory, "key"), seed);
  writeFileSync(
    join(directory, "app"),
    makeRelease(seed, { version: "1.0.1", blocks: 2, header: tinyElf() }).file,
    { mode: 0o755 },
  );
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function cli(
  args: readonly string[],
  env = {},
  cwd = directory,
): Promise<{ code: number; lines: unknown[]; all: string }> {
  const child = Bun.spawn([process.execPath, MAIN, ...args, "--json"], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: TIMEOUT_MS,
  });
  const [all, code] = await Promise.all([child.stdout.text(), child.exited]);
  const lines = all.startsWith("{\n")
    ? [JSON.parse(all) as unknown]
    : all
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown);
  return { code, lines, all };
}

test(
  "build and sign, of one target and of several",
  async () => {
    writeFileSync(join(directory, "app.ts"), `import "rustpatcher/auto";\n`);
    const target = `linux-${process.arch}`;
    const publicKey = ["--public-key", keyText(publicKeyOf(seed))];
    const what = ["app.ts", "--app", "hello", "--version", "1.0.0", ...publicKey];
    const one = await cli(["build", ...what, "--outfile", "one"]);
    expect([one.code, problemsOf("build", one.lines[0])]).toEqual([0, ""]);
    expect(one.lines[0]).toMatchObject({ state: "reserved", target });
    // A list, though of one.
    const several = ["--outfile", "several/app", "--target", `${target},${target}`];
    const built = await cli(["build", ...what, ...several]);
    expect([built.code, problemsOf("release", built.lines[0])]).toEqual([0, ""]);
    expect(built.lines[0]).toMatchObject({ files: [{ target, root: null }] });
    const signed = await cli(["sign", "several/release.json", "--key-file", "key"]);
    expect([signed.code, problemsOf("release", signed.lines[0])]).toEqual([0, ""]);
    expect([problemsOf("build", {}), problemsOf("sign", {})]).not.toContain("");
  },
  TIMEOUT_MS,
);

test("init", async () => {
  // It writes its owner into package.json, which is no business of the others.
  const project = join(directory, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), "{}");
  const { code, lines } = await cli(["init"], {}, project);
  expect([code, lines.length, problemsOf("init", lines[0])]).toEqual([0, 1, ""]);
});

test("key: shown, encrypted, rotated", async () => {
  writeKeyFile(join(directory, "other-key"), generateSeed());
  const [shown, rotated, encrypted] = [
    await cli(["key", "show", "other-key"]),
    await cli(["key", "rotate", "other-key", "next-key", "--app", "hello"]),
    await cli(["key", "encrypt", "other-key"], { RUSTPATCHER_PASSPHRASE: "correct horse battery" }),
  ];
  expect(shown.lines.concat(encrypted.lines).map((line) => problemsOf("shownKey", line))).toEqual([
    "",
    "",
  ]);
  expect(rotated.lines.map((line) => problemsOf("rotation", line))).toEqual([""]);
  expect(problemsOf("key", {})).not.toBe("");
});

test("dht", async () => {
  const child = Bun.spawn([process.execPath, MAIN, "dht", "--port", "0", "--json"], {
    stdio: ["ignore", "pipe", "ignore"],
    timeout: TIMEOUT_MS,
  });
  let text = "";
  for await (const bytes of child.stdout) {
    text += new TextDecoder().decode(bytes);
    if (text.endsWith("}\n")) break;
  }
  child.kill("SIGKILL");
  await child.exited;
  expect(problemsOf("dht", JSON.parse(text))).toBe("");
});

test.each([
  ["gen", ["gen", "new-key"]],
  ["sign", ["sign", "app", "--key-file", "key", "--version", "1.0.2"]],
  ["verify", ["verify", "app"]],
  ["inspect", ["inspect", "app"]],
  ["status", ["status", "app"]],
])("%s", async (name, args) => {
  const { code, lines } = await cli(args);
  expect([code, lines.length, problemsOf(name, lines[0])]).toEqual([0, 1, ""]);
  // A schema that takes anything shows nothing.
  expect(problemsOf(name, {})).not.toBe("");
});

test.each([[["verify", "key"]], [["inspect", "nothing"]], [["fetch", "x", "--nonsense"]]])(
  "a refusal: %j",
  async (args) => {
    const { code, lines } = await cli(args);
    expect(code).not.toBe(0);
    expect([lines.length, problemsOf("refusal", lines[0])]).toEqual([1, ""]);
  },
);

test(
  "doctor, publish, fetch",
  async () => {
    const net = await createLoopbackDht(3);
    try {
      const env = {
        RUSTPATCHER_BOOTSTRAP: net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(","),
      };
      const found = await cli(["doctor", "app"], env);
      expect(problemsOf("doctor", found.lines[0])).toBe("");
      const fetch = [
        "fetch",
        keyText(publicKeyOf(seed)),
        "--app",
        "hello",
        "--target",
        "linux-x64",
        "--out",
        "got",
      ];
      const [published, fetched] = await Promise.all([
        cli(["publish", "app", "--until-peers", "1"], env),
        cli(fetch, env),
      ]);
      expect(problemsOf("fetch", fetched.lines[0])).toBe("");
      expect(published.lines.map((line) => problemsOf("publish", line))).toEqual(
        published.lines.map(() => ""),
      );
      expect(published.lines.length).toBeGreaterThan(0);
    } finally {
      await net.destroy();
    }
  },
  TIMEOUT_MS,
);

test(
  "withdraw",
  async () => {
    const net = await createLoopbackDht(3);
    for (const [salt, version] of ["2.0.0", "2.0.1"].entries()) {
      const { file } = makeRelease(seed, { version, salt, blocks: 2, header: tinyElf() });
      writeFileSync(join(directory, version), file, { mode: 0o755 });
    }
    const env = {
      RUSTPATCHER_BOOTSTRAP: net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(","),
    };
    const publisher = Bun.spawn([process.execPath, MAIN, "publish", "2.0.1"], {
      cwd: directory,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: ["ignore", "ignore", "ignore"],
      timeout: TIMEOUT_MS,
    });
    try {
      const what = ["2.0.1", "--to", "./2.0.0", "--app", "hello", "--key-file", "key"];
      const { code, lines } = await cli(["withdraw", ...what, "--target", "linux-x64"], env);
      expect([code, problemsOf("withdraw", lines[0])]).toEqual([0, ""]);
      expect(problemsOf("withdraw", { withdrawn: [] })).not.toBe("");
    } finally {
      publisher.kill("SIGKILL");
      await publisher.exited;
      await net.destroy();
    }
  },
  TIMEOUT_MS,
);

test("watch", () => {
  const model = new RolloutModel(0, 1_000);
  const status = { servedBytes: 1, clients: 0, refusal: "REFUSED" };
  const printed: string[] = [];
  const original = process.stdout.write.bind(process.stdout);
  process.stdout.write = (text: string | Uint8Array): boolean => printed.push(String(text)) > 0;
  try {
    const view = jsonLines({ app: "a", target: "linux-x64", channel: "stable" });
    view.show(model.rollout(1));
    const about = { publishedS: 1, sizeBytes: 2, withdrawn: "1.0.2" };
    model.apply({ type: "release", version: "1.0.1", ...about }, 2);
    model.apply({ type: "met", copy: "ab".repeat(32), version: "1.0.0", status }, 3);
    view.show(model.rollout(4));
    view.show(model.rollout(5));
    model.apply({ type: "notes", version: "1.0.1", notes: "New:\n\tall of it" }, 6);
    view.show(model.rollout(7));
  } finally {
    process.stdout.write = original;
  }
  expect(printed.map((line) => problemsOf("watch", JSON.parse(line)))).toEqual(["", "", ""]);
  expect(JSON.parse(printed[2] ?? "")).toMatchObject({
    newest: { withdrawn: "1.0.2", notes: "New:\n\tall of it" },
  });
});
