/** What the documents point to is there. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { COMMANDS } from "../../src/cli/commands.ts";
import { blocksOf } from "./markdown.ts";

const ROOT = join(import.meta.dir, "../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const DOCUMENTS = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

test.each(DOCUMENTS)("%s links to files that exist", (document) => {
  const links = [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)];
  for (const [, target = ""] of links) {
    expect([target, existsSync(join(ROOT, dirname(document), target))]).toEqual([target, true]);
  }
});

describe("docs/SECURITY.md", () => {
  const claims = [...read("docs/SECURITY.md").matchAll(/`(test\/[^`]+\.ts)`(?: "([^"]+)")?/g)];

  test("names tests for what it says", () => expect(claims.length).toBeGreaterThan(30));

  test.each(claims.map(([, file, name]) => ({ file: file ?? "", name: name ?? "" })))(
    "$file $name",
    ({ file, name }) => {
      const source = read(file);
      expect(source).toMatch(/\btest\b/);
      expect(name === "" || source.includes(`"${name}"`)).toBe(true);
    },
  );
});

test("every command that a document uses exists", () => {
  for (const document of DOCUMENTS) {
    for (const { language, text } of blocksOf(read(document))) {
      if (language !== "sh") continue;
      for (const [, name = ""] of text.matchAll(/^bunx rustpatcher (\S+)/gm)) {
        expect(Object.keys(COMMANDS)).toContain(name);
      }
    }
  }
});

test("README's table has every command, once", () => {
  const rows = [...read("README.md").matchAll(/^\| `([a-z]+)[^|]*\|/gm)].map(
    ([, name]) => name ?? "",
  );
  const commands = rows.filter((name) => name in COMMANDS);
  expect(commands.sort()).toEqual(Object.keys(COMMANDS).sort());
});
