import { expect, test } from "bun:test";
import { editDistance, suggestion } from "../../src/cli/suggest.ts";

const COMMANDS = ["gen", "init", "build", "sign", "verify", "inspect", "publish", "fetch", "dht"];

test.each([
  ["sing", " (did you mean sign?)"],
  ["verfy", " (did you mean verify?)"],
  ["pub", " (did you mean publish?)"],
  ["Build", " (did you mean build?)"],
  ["install", ""],
  ["constructor", ""],
  ["", ""],
])("%p is answered with %p", (word, answer) => {
  expect(suggestion(word, COMMANDS)).toBe(answer);
});

test.each([
  ["", "", 0],
  ["", "abc", 3],
  ["kitten", "sitting", 3],
  ["ab", "ba", 1],
  ["flaw", "lawn", 2],
])("from %p to %p it is %d steps, and back as many", (a, b, steps) => {
  expect(editDistance(a, b)).toBe(steps);
  expect(editDistance(b, a)).toBe(steps);
});
