import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkLineage, verifyHandovers } from "../../src/core/handover.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { TARGETS } from "../../src/core/target.ts";
import { readLineage, rotateKey } from "../../src/release/rotation.ts";
import { withDirectory } from "../helpers/executable.ts";

const seeds = Array.from({ length: 7 }, () => generateSeed());
const keys = seeds.map(publicKeyOf);
const seedOf = (index: number) => seeds[index] ?? generateSeed();
const keyOf = (index: number) => keys[index] ?? publicKeyOf(generateSeed());
const NAME = { app: "app", target: "linux-x64", channel: "stable" };

const rotate = (path: string, from: number, to = from + 1, channels = ["stable", "beta"]): number =>
  rotateKey({ path, seed: seedOf(from), successor: keyOf(to), app: "app", channels });

test("reaches every target and channel, and leads from key to key, the last four", () =>
  withDirectory((directory) => {
    const path = join(directory, "rotation.json");
    expect(rotate(path, 0)).toBe(2 * TARGETS.length);
    for (const target of TARGETS) {
      for (const channel of ["stable", "beta"]) {
        const name = { app: "app", target, channel };
        const lineage = readLineage(path, name, keyOf(1));
        expect(lineage.first).toEqual(keyOf(0));
        expect(checkLineage(keyOf(1), name, lineage)).toHaveLength(1);
      }
    }
    for (const from of [1, 2, 3, 4]) rotate(path, from);
    const lineage = readLineage(path, NAME, keyOf(5));
    expect(lineage.first).toEqual(keyOf(1));
    expect(verifyHandovers(keyOf(1), lineage.handovers).map(({ successor }) => successor)).toEqual(
      [2, 3, 4, 5].map(keyOf),
    );
  }));

test("is refused to oneself, twice, or where the chain does not go on; the file stays", () =>
  withDirectory((directory) => {
    const path = join(directory, "rotation.json");
    expect(() => rotate(path, 0, 0)).toThrow("the new key is the old one");
    rotate(path, 0);
    const before = readFileSync(path, "utf8");
    expect(() => rotate(path, 0, 2)).toThrow("handed over before");
    expect(() => rotate(path, 3, 4)).toThrow("do not lead to");
    expect(readFileSync(path, "utf8")).toBe(before);
  }));

test("is no lineage for another key, app, target or channel, or when anything in it was changed", () =>
  withDirectory((directory) => {
    const path = join(directory, "rotation.json");
    rotate(path, 0);
    expect(() => readLineage(path, NAME, keyOf(2))).toThrow("do not lead to");
    expect(() => readLineage(path, { ...NAME, app: "other" }, keyOf(1))).toThrow("hands over no");
    expect(() => readLineage(path, { ...NAME, channel: "nightly" }, keyOf(1))).toThrow(
      "hands over no app for linux-x64 (nightly)",
    );
    const text = readFileSync(path, "utf8");
    // What is signed for one target does not pass for another one.
    writeFileSync(
      path,
      text.replaceAll("linux-arm64", "x").replaceAll('"linux-x64"', '"linux-arm64"'),
    );
    expect(() => readLineage(path, { ...NAME, target: "linux-arm64" }, keyOf(1))).toThrow(
      "do not lead to",
    );
    expect(() => readLineage(path, NAME, keyOf(1))).toThrow("hands over no");
  }));
