import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { encodeZ32 } from "../../src/core/z32.ts";
import { initProject } from "../../src/release/init.ts";
import { readKeyFile } from "../../src/release/key-file.ts";
import { findProject } from "../../src/release/project.ts";
import { firstOf, toExtension, type Settings } from "../../src/release/settings.ts";

let root = "";
let directory = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const owner = publicKeyOf(generateSeed());

function project(json: unknown): string {
  directory = mkdtempSync(join(root, "project-"));
  const text = typeof json === "string" ? json : JSON.stringify(json, undefined, "\t");
  writeFileSync(join(directory, "package.json"), text);
  return directory;
}

describe("package.json", () => {
  test("is found above, and of two the nearest counts", () => {
    const outer = project({ name: "outer", version: "1.0.0" });
    const inner = join(outer, "a", "b");
    mkdirSync(inner, { recursive: true });
    expect(findProject(inner)?.settings.app).toBe("outer");
    writeFileSync(join(outer, "a", "package.json"), '{"name":"inner"}');
    expect(findProject(inner)?.settings).toMatchObject({ app: "inner", version: undefined });
    expect(findProject(root, inner)?.settings.app).toBe("inner");
  });

  test("gives every setting", () => {
    const rustpatcher = {
      app: "other",
      publicKey: keyText(owner),
      mode: "at 04:00",
      channel: "beta",
      bootstrap: ["127.0.0.1:1"],
      intervalSeconds: 30,
      upload: "500 KB/s",
      sharedSecret: encodeZ32(new Uint8Array(32).fill(1)),
      statistics: false,
    };
    const found = findProject(project({ name: "name", version: "1.0.0", rustpatcher }));
    expect(found?.settings).toEqual({ ...rustpatcher, version: "1.0.0" });
    expect(toExtension(found?.settings ?? {}, owner, "linux-x64")).toMatchObject({
      app: "other",
      mode: "at 04:00",
      sharedSecret: new Uint8Array(32).fill(1),
      statistics: false,
    });
  });

  test.each<[string, unknown, string]>([
    ["not JSON", "{", "not JSON"],
    ["a list", [], "not a JSON object"],
    ["a block that is text", { rustpatcher: "x" }, "must be an object"],
    [
      "a misspelt setting",
      { rustpatcher: { chanel: "beta" } },
      '"rustpatcher.chanel" is not a known',
    ],
    ["a number for text", { rustpatcher: { mode: 1 } }, "must be text"],
    ["text for a number", { rustpatcher: { intervalSeconds: "1" } }, "must be a number"],
    ["text for a yes", { rustpatcher: { statistics: "no" } }, "must be true or false"],
    ["text for a list", { rustpatcher: { bootstrap: "a:1" } }, "must be a list"],
    ["a list of numbers", { rustpatcher: { bootstrap: [1] } }, "must be a list"],
    ["more than a megabyte", { name: "x".repeat(1_100_000) }, "too long"],
  ])("refuses %s", (_what, json, message) => {
    expect(() => findProject(project(json))).toThrow(message);
  });
});

describe("settings", () => {
  const good: Settings = { app: "app" };

  test("the first source that says something wins", () => {
    const merged = firstOf({ app: undefined, mode: "now" }, undefined, {
      app: "b",
      mode: "manual",
    });
    expect(merged).toEqual({ app: "b", mode: "now" });
  });

  test.each<[Settings, string]>([
    [{}, "app name"],
    [{ app: "a b" }, "app name"],
    [{ ...good, channel: "" }, "channel"],
    [{ ...good, mode: "later" }, "update mode"],
    [{ ...good, intervalSeconds: 0 }, "interval"],
    [{ ...good, intervalSeconds: 1.5 }, "interval"],
    [{ ...good, intervalSeconds: 86_401 }, "interval"],
    [{ ...good, upload: "fast" }, "upload rate"],
    [{ ...good, bootstrap: ["nohost"] }, "bootstrap"],
    [{ ...good, bootstrap: ["host:0"] }, "bootstrap"],
    [{ ...good, sharedSecret: "short" }, "shared secret"],
  ])("refuses %o", (settings, message) => {
    expect(() => toExtension(good, owner, "linux-x64")).not.toThrow();
    expect(() => toExtension(settings, owner, "linux-x64")).toThrow(message);
  });
});

describe("init", () => {
  test("makes key, block, ignore line and build script, and keeps what was there", () => {
    project({ name: "app", version: "1.0.0", module: "src/app.ts", zebra: 1 });
    writeFileSync(join(directory, ".gitignore"), "dist");
    const { publicKey } = initProject({ directory, keyPath: "./owner_key" });
    const seed = readKeyFile(join(directory, "owner_key"));
    expect(publicKey).toBe(keyText(publicKeyOf(seed)));
    expect(statSync(join(directory, "owner_key")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(directory, ".gitignore"), "utf8")).toBe("dist\nowner_key*\n");
    const text = readFileSync(join(directory, "package.json"), "utf8");
    expect(JSON.parse(text)).toEqual({
      name: "app",
      version: "1.0.0",
      module: "src/app.ts",
      zebra: 1,
      rustpatcher: { publicKey },
    });
    expect(text.startsWith('{\n\t"name"')).toBe(true);
    expect(readFileSync(join(directory, "build.ts"), "utf8")).toContain('runBuild("src/app.ts")');
    expect(() => initProject({ directory, keyPath: "./owner_key" })).toThrow("block already");
  });

  test("uses a key that is there, and leaves a build.ts alone", () => {
    project({ name: "app" });
    initProject({ directory, keyPath: "k" });
    const seed = readKeyFile(join(directory, "k"));
    writeFileSync(join(directory, "package.json"), "{}");
    writeFileSync(join(directory, "build.ts"), "mine");
    const { publicKey } = initProject({ directory, keyPath: "k" });
    expect(publicKey).toBe(keyText(publicKeyOf(seed)));
    expect(readFileSync(join(directory, "build.ts"), "utf8")).toBe("mine");
    expect(readFileSync(join(directory, ".gitignore"), "utf8")).toBe("owner_key*\n");
  });

  test("puts the import into the app, once, and gives package.json what a release needs", () => {
    project({});
    mkdirSync(join(directory, "src"));
    const entry = join(directory, "src/main.ts");
    writeFileSync(entry, "#!/usr/bin/env bun\nconsole.log(1);\n");
    const { next } = initProject({ directory, keyPath: "elsewhere/../secret" });
    const imported = '#!/usr/bin/env bun\nimport "rustpatcher/auto";\nconsole.log(1);\n';
    expect(readFileSync(entry, "utf8")).toBe(imported);
    const json = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Record<
      string,
      unknown
    >;
    expect(json).toMatchObject({ name: basename(directory), version: "0.1.0" });
    expect(next).toEqual([
      "bun build.ts --sign --key-file elsewhere/../secret",
      `bunx rustpatcher publish ./${basename(directory)}`,
    ]);
    writeFileSync(join(directory, "package.json"), "{}");
    initProject({ directory, keyPath: "secret", entry: "src/main.ts" });
    expect(readFileSync(entry, "utf8")).toBe(imported);
  });

  test("writes a workflow that is valid, names no key, and is written once", () => {
    project({ name: "app" });
    initProject({ directory, keyPath: "k", github: true });
    const path = join(directory, ".github/workflows/release.yml");
    const text = readFileSync(path, "utf8");
    const workflow = Bun.YAML.parse(text) as {
      jobs: { release: { steps: { run?: string; env?: Record<string, string> }[] } };
    };
    const { steps } = workflow.jobs.release;
    const [build] = steps.filter(({ run }) => run?.startsWith("bun build.ts") === true);
    expect(build?.env).toEqual({ RUSTPATCHER_KEY: "${{ secrets.RUSTPATCHER_KEY }}" });
    // What somebody writes into a tag's name is never pasted into a script.
    for (const { run = "" } of steps) expect(run).not.toContain("${{");
    writeFileSync(path, "mine");
    writeFileSync(join(directory, "package.json"), "{}");
    initProject({ directory, keyPath: "k", github: true });
    expect(readFileSync(path, "utf8")).toBe("mine");
  });

  test("refuses where there is no package.json, before it makes a key", () => {
    const empty = mkdtempSync(join(root, "empty-"));
    expect(() => initProject({ directory: empty, keyPath: "k" })).toThrow("no package.json");
    expect(() => statSync(join(empty, "k"))).toThrow();
  });
});
