import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFollowedChannel, writeFollowedChannel } from "../../src/update/followed-channel.ts";

let directory = "";
let path = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-channel-"));
  path = join(directory, ".app.rustpatcher-channel");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("holds for executables of the channel that was asked, and is gone with the wish", () => {
  expect(readFollowedChannel(path, "stable")).toBeUndefined();
  writeFollowedChannel(path, "stable", "beta");
  expect(readFollowedChannel(path, "stable")).toBe("beta");
  expect(readFollowedChannel(path, "beta")).toBeUndefined();
  writeFollowedChannel(path, "stable", "nightly/x");
  expect(readFollowedChannel(path, "stable")).toBe("nightly/x");
  writeFollowedChannel(path, "stable", "stable");
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(directory)).toEqual([]);
});

test.each([
  ["nothing", ""],
  ["another format", "rustpatcher-channel 2\nstable\nbeta\n"],
  ["cut off", "rustpatcher-channel 1\nstable\nbeta"],
  ["a line too many", "rustpatcher-channel 1\nstable\nbeta\nmore\n"],
  ["no name", "rustpatcher-channel 1\nstable\n\n"],
  ["a name that is none", "rustpatcher-channel 1\nstable\n../beta\n"],
  ["too long", `rustpatcher-channel 1\nstable\n${"b".repeat(300)}\n`],
])("%s counts as no wish", (_what, text) => {
  writeFileSync(path, text, { mode: 0o600 });
  expect(readFollowedChannel(path, "stable")).toBeUndefined();
});

test("what others may have written counts as no wish", () => {
  const text = "rustpatcher-channel 1\nstable\nbeta\n";
  writeFileSync(path, text, { mode: 0o600 });
  expect(readFollowedChannel(path, "stable")).toBe("beta");
  chmodSync(path, 0o666);
  expect(readFollowedChannel(path, "stable")).toBeUndefined();
  rmSync(path);
  writeFileSync(join(directory, "elsewhere"), text, { mode: 0o600 });
  symlinkSync("elsewhere", path);
  expect(readFollowedChannel(path, "stable")).toBeUndefined();
});
