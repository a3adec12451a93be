import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { compareVersions, parseVersion, tryParseVersion } from "../../src/core/version.ts";

describe("spelling (B6)", () => {
  test.each([
    "0.0.0",
    "1.2.3",
    "10.20.30",
    "2147483647.0.0",
    "1.0.0-rc.1",
    "1.0.0-0a.b-c",
    "1.2.3-alpha",
  ])("accepts %s", (text) => {
    expect(parseVersion(text).text).toBe(text);
  });

  test.each([
    "",
    "1",
    "1.2",
    "1.2.3.4",
    "v1.2.3",
    "01.2.3",
    "1.02.3",
    "1.2.03",
    "+1.2.3",
    "-1.2.3",
    " 1.2.3",
    "1.2.3 ",
    "1.2.3\n",
    "1e3.0.0",
    "١.٢.٣",
    "NaN",
    "Infinity.0.0",
    "0x1.0.0",
    "1.2.3-",
    "1.2.3-a..b",
    "1.2.3-01",
    "1.2.3+build",
    "1..3",
    "1.2.\0",
    "1.2.3\0",
    "1.\0.3",
    "1.2.3\xff",
    "2147483648.0.0",
    "99999999999.0.0",
    "1.2.3-abcdefghijk",
    "11111.22222.33333",
  ])("refuses %j", (text) => {
    expect(tryParseVersion(text)).toBeUndefined();
    expect(() => parseVersion(text)).toThrow("is not a version");
  });

  test("the longest that fits has 16 characters", () => {
    expect(tryParseVersion("1.2.3-abcdefghij")).toBeDefined();
    expect("1.2.3-abcdefghij").toHaveLength(16);
  });
});

const identifier = fc.oneof(
  fc.nat(99).map(String),
  fc.stringMatching(/^[a-zA-Z-][0-9a-zA-Z-]{0,2}$/),
);
const versionText = fc
  .tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.array(identifier, { maxLength: 3 }))
  .map(
    ([major, minor, patch, pre]) =>
      `${major}.${minor}.${patch}${pre.length > 0 ? "-" : ""}${pre.join(".")}`,
  )
  .filter((text) => tryParseVersion(text) !== undefined);

describe("order (B8)", () => {
  test("is that of semver 2.0.0, clause 11", () => {
    const ascending = [
      "1.0.0-alpha",
      "1.0.0-alpha.1",
      "1.0.0-alpha.beta",
      "1.0.0-beta",
      "1.0.0-beta.2",
      "1.0.0-beta.11",
      "1.0.0-rc.1",
      "1.0.0",
      "2.0.0",
      "2.1.0",
      "2.1.1",
      "2.1.10",
      "10.0.0",
    ].map(parseVersion);
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) {
        expect(Math.sign(compareVersions(a, b))).toBe(Math.sign(i - j));
      }
    }
  });

  test("agrees with Bun.semver and is antisymmetric for random pairs", () => {
    fc.assert(
      fc.property(versionText, versionText, (a, b) => {
        const order = Math.sign(compareVersions(parseVersion(a), parseVersion(b)));
        expect(order).toBe(Bun.semver.order(a, b));
        expect(Math.sign(compareVersions(parseVersion(b), parseVersion(a))) + order).toBe(0);
        expect(order === 0).toBe(a === b);
      }),
      { numRuns: 2_000 },
    );
  });

  test("is total and transitive for a million random triples", () => {
    // Few enough values that equal and neighbouring ones meet often.
    const pool = fc.sample(versionText, { numRuns: 400, seed: 1 }).map(parseVersion);
    let state = 1;
    const pick = (): (typeof pool)[number] => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const version = pool[state % pool.length];
      if (version === undefined) throw new Error("empty pool");
      return version;
    };
    for (let run = 0; run < 1_000_000; run++) {
      const [a, b, c] = [pick(), pick(), pick()];
      const [ab, bc, ac] = [compareVersions(a, b), compareVersions(b, c), compareVersions(a, c)];
      const isBroken =
        Number.isNaN(ab) || (ab <= 0 && bc <= 0 && ac > 0) || (ab === 0) !== (a.text === b.text);
      if (isBroken) throw new Error(`${a.text} ${b.text} ${c.text}`);
    }
  });
});
