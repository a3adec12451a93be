import { describe, expect, test } from "bun:test";
import { signHandover, type Handover } from "../../src/core/handover.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import type { VerifiedRecord } from "../../src/core/release-record.ts";
import { parseVersion } from "../../src/core/version.ts";
import { bucketOf, INSTALL_ID_BYTES } from "../../src/update/rollout.ts";
import { TrustedState } from "../../src/update/trusted-state.ts";
import { APP, makeRelease, type ReleaseOptions } from "../helpers/release.ts";

const seed = generateSeed();
const NOW_S = 1_800_000_000;
const NOW_MS = NOW_S * 1000;

function record(options: ReleaseOptions): VerifiedRecord {
  return makeRelease(seed, { blocks: 1, publishedS: NOW_S - 1_000, ...options }).record;
}

const own = record({ version: "1.0.0", publishedS: NOW_S - 5_000 });
const state = (): TrustedState => new TrustedState(own);

/** The code of what `act` throws. */
function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return String(Reflect.get(Object(error), "code"));
  }
  return "accepted";
}

test("learns a newer record and decides to install it", () => {
  const trusted = state();
  const newer = record({ version: "1.0.1" });
  expect(trusted.learn(newer, NOW_MS)).toBe(true);
  expect(trusted.learn(newer, NOW_MS)).toBe(false);
  expect(trusted.newest).toBe(newer);
  expect(trusted.decide(NOW_MS)?.record.version.text).toBe("1.0.1");
});

test("has nothing to install while the newest record is its own", () => {
  expect(state().decide(NOW_MS)).toBeUndefined();
});

test.each([
  ["app", { ...APP, app: "other" }],
  ["target", { ...APP, target: "linux-arm64" }],
  ["channel", { ...APP, channel: "beta" }],
] as const)("refuses a valid record for another %s", (_field, name) => {
  const trusted = state();
  expect(refusal(() => trusted.learn(record({ version: "2.0.0", name }), NOW_MS))).toBe(
    "WRONG_TARGET",
  );
  expect(trusted.newest).toBe(own);
  // The same record with that one field repaired passes.
  expect(refusal(() => trusted.learn(record({ version: "2.0.0" }), NOW_MS))).toBe("accepted");
});

test("refuses a record dated more than ten minutes ahead, and changes nothing by it", () => {
  const trusted = state();
  const early = record({ version: "2.0.0", publishedS: NOW_S + 601 });
  expect(refusal(() => trusted.learn(early, NOW_MS))).toBe("FROM_FUTURE");
  expect(trusted.newest).toBe(own);
  // A real release that is dated before it is still accepted: the date was not taken as a floor.
  expect(trusted.learn(record({ version: "1.0.1" }), NOW_MS)).toBe(true);
  expect(trusted.learn(record({ version: "2.0.0", publishedS: NOW_S + 600 }), NOW_MS)).toBe(true);
});

test("refuses an older record after a newer one was seen", () => {
  const trusted = state();
  trusted.learn(record({ version: "1.2.0", publishedS: NOW_S - 10 }), NOW_MS);
  const older = record({ version: "1.3.0", publishedS: NOW_S - 11 });
  expect(refusal(() => trusted.learn(older, NOW_MS))).toBe("RECORD_STALE");
  expect(trusted.decide(NOW_MS)?.record.version.text).toBe("1.2.0");
  const repaired = record({ version: "1.3.0", publishedS: NOW_S - 9 });
  expect(trusted.learn(repaired, NOW_MS)).toBe(true);
});

test("gives two records of one second the same order, whichever comes first", () => {
  const low = record({ version: "1.0.1" });
  const high = record({ version: "1.0.2" });
  for (const order of [
    [low, high],
    [high, low],
  ]) {
    const trusted = state();
    for (const each of order) refusal(() => trusted.learn(each, NOW_MS));
    expect(trusted.newest?.record.version.text).toBe("1.0.2");
  }
});

test("refuses a newer record with a version below one that was seen", () => {
  const trusted = state();
  trusted.learn(record({ version: "1.2.0", publishedS: NOW_S - 10 }), NOW_MS);
  const lower = record({ version: "1.1.0", publishedS: NOW_S - 5 });
  expect(refusal(() => trusted.learn(lower, NOW_MS))).toBe("VERSION_BELOW_FLOOR");
  const repaired = record({ version: "1.2.1", publishedS: NOW_S - 5 });
  expect(refusal(() => trusted.learn(repaired, NOW_MS))).toBe("accepted");
});

test("does not fall below a version that was installed but never announced", () => {
  const trusted = state();
  trusted.markInstalled(parseVersion("3.0.0"));
  expect(refusal(() => trusted.learn(record({ version: "2.0.0" }), NOW_MS))).toBe(
    "VERSION_BELOW_FLOOR",
  );
});

test("does not install what is installed already, although another runs", () => {
  const trusted = state();
  trusted.learn(record({ version: "1.0.1" }), NOW_MS);
  trusted.markInstalled(parseVersion("1.0.1"));
  expect(trusted.decide(NOW_MS)).toBeUndefined();
});

test("does not install an expired release, and does until then", () => {
  const trusted = state();
  trusted.learn(record({ version: "1.0.1", expiresS: NOW_S }), NOW_MS);
  expect(refusal(() => trusted.decide(NOW_MS))).toBe("EXPIRED");
  expect(trusted.decide(NOW_MS - 1)?.record.version.text).toBe("1.0.1");
});

test("does not jump over the version that a release asks for", () => {
  const trusted = state();
  trusted.learn(record({ version: "2.0.0", from: "1.5.0" }), NOW_MS);
  expect(refusal(() => trusted.decide(NOW_MS))).toBe("BRIDGE_REQUIRED");
  trusted.markInstalled(parseVersion("1.5.0"));
  expect(trusted.decide(NOW_MS)?.record.version.text).toBe("2.0.0");
});

test("does not install a release again that could not be started", () => {
  const trusted = state();
  const bad = record({ version: "1.0.1" });
  trusted.learn(bad, NOW_MS);
  trusted.refuse(bad.record.root);
  expect(refusal(() => trusted.decide(NOW_MS))).toBe("REFUSED");
  trusted.learn(record({ version: "1.0.2", salt: 2, publishedS: NOW_S - 5 }), NOW_MS);
  expect(trusted.decide(NOW_MS)?.record.version.text).toBe("1.0.2");
});

test("remembers a bounded number of refused releases, the latest ones", () => {
  const trusted = state();
  const roots = Array.from(
    { length: 20 },
    (_, salt) => record({ version: "1.0.1", salt }).record.root,
  );
  for (const root of roots) trusted.refuse(root);
  expect(trusted.refused).toEqual(roots.slice(4).map((root) => root.toHex()));
});

const V2 = { version: "2.0.0", publishedS: NOW_S - 300 };
/** 1.0.0 again, as what whoever has a version up to this one goes back to. */
const withdrawal = (upTo: string, publishedS = NOW_S - 200): VerifiedRecord =>
  record({ version: "1.0.0", publishedS, x: { withdrawn: parseVersion(upTo) } });

/** A copy that has installed 2.0.0, with the record of its own release or without. */
function updated(): TrustedState {
  const trusted = state();
  trusted.learn(record(V2), NOW_MS);
  trusted.markInstalled(parseVersion("2.0.0"));
  return trusted;
}

test("goes back to the version that a withdrawal names, and stays there", () => {
  const trusted = updated();
  expect(trusted.isWithdrawn).toBe(false);
  expect(trusted.learn(withdrawal("2.0.0"), NOW_MS)).toBe(true);
  expect(trusted.isWithdrawn).toBe(true);
  expect(trusted.decide(NOW_MS)?.record.version.text).toBe("1.0.0");
  trusted.markInstalled(parseVersion("1.0.0"));
  expect(trusted.isWithdrawn).toBe(false);
  expect(trusted.decide(NOW_MS)).toBeUndefined();
});

test("never installs a withdrawn version, whichever record comes first", () => {
  for (const order of [
    [record(V2), withdrawal("2.0.0")],
    [withdrawal("2.0.0"), record(V2)],
  ]) {
    const trusted = state();
    for (const each of order) refusal(() => trusted.learn(each, NOW_MS));
    expect(trusted.decide(NOW_MS)).toBeUndefined();
  }
});

test("takes no other version below the floor than the one that a withdrawal names", () => {
  const trusted = updated();
  const lower = { version: "1.0.0", publishedS: NOW_S - 200 };
  expect(refusal(() => trusted.learn(record(lower), NOW_MS))).toBe("VERSION_BELOW_FLOOR");
  // It reaches up to a version below ours: another one's trouble.
  expect(refusal(() => trusted.learn(withdrawal("1.9.0"), NOW_MS))).toBe("VERSION_BELOW_FLOOR");
  expect(trusted.decide(NOW_MS)).toBeUndefined();
  trusted.learn(withdrawal("2.0.0"), NOW_MS);
  // The floor did not fall with it, in either direction.
  const between = { publishedS: NOW_S - 100, salt: 3 };
  expect(refusal(() => trusted.learn(record({ version: "1.5.0", ...between }), NOW_MS))).toBe(
    "VERSION_BELOW_FLOOR",
  );
  expect(refusal(() => trusted.learn(record({ version: "2.0.0", ...between }), NOW_MS))).toBe(
    "WITHDRAWN",
  );
});

test("a withdrawal ends with the next higher release, and does nothing when it is sent again", () => {
  const trusted = updated();
  trusted.learn(withdrawal("2.0.0"), NOW_MS);
  trusted.markInstalled(parseVersion("1.0.0"));
  trusted.learn(record({ version: "2.0.1", publishedS: NOW_S - 100 }), NOW_MS);
  expect(trusted.decide(NOW_MS)?.record.version.text).toBe("2.0.1");
  trusted.markInstalled(parseVersion("2.0.1"));
  expect(refusal(() => trusted.learn(withdrawal("2.0.0"), NOW_MS))).toBe("RECORD_STALE");
  // Not even a later one that does not know of that release.
  expect(refusal(() => trusted.learn(withdrawal("2.0.0", NOW_S - 50), NOW_MS))).toBe(
    "VERSION_BELOW_FLOOR",
  );
  expect(trusted.decide(NOW_MS)).toBeUndefined();
});

test("a further withdrawal reaches back behind the first one", () => {
  const trusted = updated();
  trusted.learn(
    record({
      ...V2,
      version: "1.5.0",
      publishedS: NOW_S - 200,
      x: { withdrawn: parseVersion("2.0.0") },
    }),
    NOW_MS,
  );
  trusted.markInstalled(parseVersion("1.5.0"));
  trusted.learn(withdrawal("2.0.0", NOW_S - 100), NOW_MS);
  expect(trusted.decide(NOW_MS)?.record.version.text).toBe("1.0.0");
});

test("a copy that starts from a withdrawing record has what was withdrawn as its floor", () => {
  const trusted = new TrustedState(withdrawal("2.0.0"));
  expect(
    refusal(() => trusted.learn(record({ version: "1.5.0", publishedS: NOW_S - 1 }), NOW_MS)),
  ).toBe("VERSION_BELOW_FLOOR");
});

test("of another channel, which is followed, only what is above the installed version is installed", () => {
  const trusted = new TrustedState(own, "beta");
  const beta = { ...APP, channel: "beta" };
  expect([trusted.channel, trusted.newest, trusted.decide(NOW_MS)]).toEqual([
    "beta",
    undefined,
    undefined,
  ]);
  // Our own channel is a stranger's now.
  expect(refusal(() => trusted.learn(record({ version: "2.0.0" }), NOW_MS))).toBe("WRONG_TARGET");
  const dates = [4_000, 3_000, 2_000].map((agoS) => NOW_S - agoS);
  for (const [index, version] of ["0.9.0", "1.0.0"].entries()) {
    const publishedS = dates[index] ?? 0;
    expect(trusted.learn(record({ version, name: beta, publishedS }), NOW_MS)).toBe(true);
    expect(trusted.decide(NOW_MS)).toBeUndefined();
  }
  const next = record({ version: "1.1.0", name: beta, publishedS: dates[2] ?? 0 });
  trusted.learn(next, NOW_MS);
  expect(trusted.decide(NOW_MS)?.record.channel).toBe("beta");
  // From here on that channel has its own floor.
  const lower = record({ version: "1.0.5", name: beta, publishedS: NOW_S - 1_000 });
  expect(refusal(() => trusted.learn(lower, NOW_MS))).toBe("VERSION_BELOW_FLOOR");
  const older = record({ version: "1.2.0", name: beta, publishedS: NOW_S - 2_500 });
  expect(refusal(() => trusted.learn(older, NOW_MS))).toBe("RECORD_STALE");
});

test("a version of another channel is not withdrawn by the channel that is followed", () => {
  const trusted = new TrustedState(own, "beta");
  const name = { ...APP, channel: "beta" };
  const withdrawing = record({ version: "0.9.0", name, x: { withdrawn: parseVersion("1.0.0") } });
  trusted.learn(withdrawing, NOW_MS);
  expect([trusted.isWithdrawn, trusted.decide(NOW_MS)]).toEqual([false, undefined]);
  // The same record withdraws it once it is a release of that channel.
  trusted.markInstalled(parseVersion("1.0.0"), "beta");
  expect(trusted.isWithdrawn).toBe(true);
});

describe("a staged rollout", () => {
  const staged = (rolloutPercent: number, x = {}, publishedS = NOW_S - 500): VerifiedRecord =>
    record({ version: "2.0.0", publishedS, x: { rolloutPercent, ...x } });
  /** Of which bucket it is, for this release. */
  const bucket = (id: Uint8Array): number => bucketOf(staged(0).record.root, id);
  function copyInBucket(isWanted: (bucket: number) => boolean): TrustedState {
    const trusted = state();
    for (let n = 0; ; n++) {
      const id = new Uint8Array(INSTALL_ID_BYTES);
      new DataView(id.buffer).setUint32(0, n);
      if (!isWanted(bucket(id))) continue;
      trusted.installId = id;
      return trusted;
    }
  }
  const decided = (trusted: TrustedState): string | undefined =>
    trusted.decide(NOW_MS)?.record.version.text;

  test("is for the copies below its percentage, and for the others when it is widened", () => {
    for (const [at, isFirst] of [
      [9, true],
      [10, false],
      [49, false],
    ] as const) {
      const trusted = copyInBucket((one) => one === at);
      trusted.learn(staged(10), NOW_MS);
      expect([decided(trusted), trusted.isHeldBack]).toEqual([
        isFirst ? "2.0.0" : undefined,
        !isFirst,
      ]);
      expect(trusted.learn(staged(50, {}, NOW_S - 400), NOW_MS)).toBe(true);
      expect(decided(trusted)).toBe("2.0.0");
      // Who has it does not install it again.
      trusted.markInstalled(parseVersion("2.0.0"));
      trusted.learn(record({ version: "2.0.0", publishedS: NOW_S - 300 }), NOW_MS);
      expect(decided(trusted)).toBeUndefined();
    }
  });

  test("of 0 % is for nobody, one that is critical for everybody", () => {
    const first = copyInBucket((one) => one === 0);
    first.learn(staged(0), NOW_MS);
    expect(decided(first)).toBeUndefined();
    const last = copyInBucket((one) => one === 99);
    last.learn(staged(99), NOW_MS);
    expect(decided(last)).toBeUndefined();
    last.learn(staged(0, { isCritical: true }, NOW_S - 400), NOW_MS);
    expect(decided(last)).toBe("2.0.0");
  });

  test("waits in a copy that has nothing to tell its share by", () => {
    const trusted = state();
    trusted.learn(staged(99), NOW_MS);
    expect(decided(trusted)).toBeUndefined();
  });

  test("is no excuse to stay at a withdrawn version", () => {
    const trusted = copyInBucket((one) => one > 10);
    trusted.learn(record(V2), NOW_MS);
    trusted.markInstalled(parseVersion("2.0.0"));
    const x = { withdrawn: parseVersion("2.0.0"), rolloutPercent: 0 };
    trusted.learn(record({ version: "1.0.0", publishedS: NOW_S - 100, x }), NOW_MS);
    expect(decided(trusted)).toBe("1.0.0");
  });

  test("spreads installs evenly, and differently for each release", () => {
    const counts = Array.from({ length: 100 }, () => 0);
    const { root } = record({ version: "2.0.0", salt: 9 }).record;
    let same = 0;
    for (let n = 0; n < 20_000; n++) {
      const id = new Uint8Array(INSTALL_ID_BYTES);
      new DataView(id.buffer).setUint32(0, n);
      const at = bucketOf(root, id);
      counts[at] = (counts[at] ?? 0) + 1;
      if (bucketOf(own.record.root, id) === at) same++;
    }
    // 200 each, with a standard deviation of 14; the inputs are fixed.
    expect(Math.min(...counts)).toBeGreaterThan(140);
    expect(Math.max(...counts)).toBeLessThan(260);
    expect(same).toBeLessThan(280);
  });
});

describe("an owner key that is handed over", () => {
  const seeds = Array.from({ length: 6 }, () => generateSeed());
  const by = (from: number, options: ReleaseOptions): VerifiedRecord =>
    makeRelease(seeds[from] ?? seed, { blocks: 1, publishedS: NOW_S - 900, ...options }).record;
  const handover = (from: number, name = APP): Handover =>
    signHandover(seeds[from] ?? seed, name, publicKeyOf(seeds[from + 1] ?? seed));
  const first = by(0, { version: "1.0.0", publishedS: NOW_S - 5_000 });

  test("counts no more, and the other one does", () => {
    const trusted = new TrustedState(first);
    const early = by(1, { version: "1.1.0" });
    expect(refusal(() => trusted.learn(early, NOW_MS))).toBe("WRONG_OWNER");
    expect(trusted.learn(handover(0), NOW_MS)).toBe(true);
    const late = by(0, { version: "9.0.0", publishedS: NOW_S });
    expect(refusal(() => trusted.learn(late, NOW_MS))).toBe("WRONG_OWNER");
    expect(refusal(() => trusted.learn(handover(0), NOW_MS))).toBe("WRONG_OWNER");
    trusted.learn(early, NOW_MS);
    expect(trusted.decide(NOW_MS)?.record.version.text).toBe("1.1.0");
  });

  test("cannot have set the floor too high for its successor, and leaves the installed version as it", () => {
    const trusted = new TrustedState(first);
    trusted.learn(by(0, { version: "99.0.0", publishedS: NOW_S }), NOW_MS);
    trusted.learn(handover(0), NOW_MS);
    expect(trusted.decide(NOW_MS)).toBeUndefined();
    expect(refusal(() => trusted.learn(by(1, { version: "0.9.0" }), NOW_MS))).toBe(
      "VERSION_BELOW_FLOOR",
    );
    trusted.learn(by(1, { version: "1.1.0" }), NOW_MS);
    expect(trusted.decide(NOW_MS)?.record.version.text).toBe("1.1.0");
  });

  test("to four others in turn, at most, and never for another app or target", () => {
    const trusted = new TrustedState(first);
    for (const name of [
      { ...APP, app: "other" },
      { ...APP, target: "linux-arm64" },
    ]) {
      expect(refusal(() => trusted.learn(handover(0, name), NOW_MS))).toBe("WRONG_TARGET");
    }
    for (const from of [0, 1, 2, 3]) trusted.learn(handover(from), NOW_MS);
    expect(trusted.owner).toEqual(publicKeyOf(seeds[4] ?? seed));
    expect(trusted.handovers).toHaveLength(4);
    expect(refusal(() => trusted.learn(handover(4), NOW_MS))).toBe("WRONG_OWNER");
  });
});
