import { beforeEach, describe, expect, test } from "bun:test";
import { asSignature, type Signature } from "../../src/core/brand.ts";
import { encodeCbor } from "../../src/core/cbor.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { RECORD_FUTURE_MAX_S, FORGERIES_MAX } from "../../src/core/limits.ts";
import {
  encodeRecord,
  mutableSignable,
  signRecord,
  verifyRecord,
  type VerifiedRecord,
} from "../../src/core/release-record.ts";
import { signForTarget } from "../../src/core/target-key.ts";
import { NewestRecord, type Offered } from "../../src/swarm/newest-record.ts";
import { FakeClock } from "../helpers/clock.ts";
import { APP, makeRelease, type ReleaseOptions } from "../helpers/release.ts";

const seed = generateSeed();
const owner = publicKeyOf(seed);
const scope = { owner, name: APP, sharedSecret: undefined };
const NOW_S = Date.UTC(2026, 0, 1) / 1000;

function recordOf(options: Partial<ReleaseOptions> = {}): VerifiedRecord {
  return makeRelease(seed, { version: "1.0.0", blocks: 1, publishedS: NOW_S, ...options }).record;
}

let clock: FakeClock;
let newest: NewestRecord;
let told: string[];

function fresh(initial?: VerifiedRecord): void {
  clock = new FakeClock();
  told = [];
  newest = new NewestRecord(
    scope,
    clock,
    initial,
    ({ record }) => void told.push(record.version.text),
  );
}
beforeEach(() => fresh());

const floor = recordOf();
/** The state after an offer that must not have changed it. */
function expectUntouched(offered: Offered, expected: Offered): void {
  expect(offered).toBe(expected);
  expect(newest.current?.bytes).toBe(floor.bytes);
  expect(told).toEqual([]);
}

describe("verify, compare, keep", () => {
  test("a newer record is kept and told once; the same one again is known", () => {
    const first = recordOf();
    const second = recordOf({ version: "1.0.1", publishedS: NOW_S + 1 });
    expect(newest.offer(first)).toBe("newer");
    expect(newest.offer(second)).toBe("newer");
    expect(newest.offer({ ...second })).toBe("known");
    expect(told).toEqual(["1.0.0", "1.0.1"]);
    expect(newest.current?.bytes).toEqual(second.bytes);
  });

  test("two records of one second end in the same one, whatever comes first", () => {
    const a = recordOf({ version: "1.0.1", salt: 1 });
    const b = recordOf({ version: "1.0.1", salt: 2 });
    const c = recordOf({ version: "1.0.2", salt: 3 });
    const ends = [
      [a, b, c],
      [c, b, a],
      [b, a, c],
    ].map((order) => {
      fresh();
      for (const record of order) newest.offer(record);
      return newest.current?.bytes;
    });
    expect(ends).toEqual([c.bytes, c.bytes, c.bytes]);
    fresh();
    newest.offer(a);
    newest.offer(b);
    const one = newest.current?.bytes;
    fresh();
    newest.offer(b);
    newest.offer(a);
    expect(newest.current?.bytes).toEqual(one as Uint8Array);
  });
});

describe("attacks", () => {
  beforeEach(() => fresh(floor));

  test("C1: every truncation and every flipped bit of a record or its signature changes nothing", () => {
    const record = recordOf({ version: "1.0.1", publishedS: NOW_S + 1 });
    for (let size = 0; size < record.bytes.length; size++) {
      const bytes = record.bytes.subarray(0, size);
      expectUntouched(newest.offer({ bytes, signature: record.signature }), "refused");
    }
    for (let bit = 0; bit < record.bytes.length * 8; bit++) {
      const bytes = flip(record.bytes, bit);
      const offered = newest.offer({ bytes, signature: record.signature });
      // A flip in the date may make it older or too far ahead: then nobody needs to look at the signature.
      expect(["refused", "older", "early"]).toContain(offered);
      expectUntouched(offered, offered);
    }
    for (let bit = 0; bit < 512; bit += 3) {
      const signature = asSignature(flip(record.signature, bit));
      expectUntouched(newest.offer({ bytes: record.bytes, signature }), "refused");
    }
    // Control: unchanged, it is taken, after all those forgeries of the same bytes.
    expect(newest.offer(record)).toBe("newer");
  });

  test("C2: trailing bytes, a field twice, an unknown field: signed by the owner and still refused", () => {
    const record = recordOf({ version: "1.0.1", publishedS: NOW_S + 1 });
    const text = Buffer.from(record.bytes).toString("latin1");
    const signed = (bytes: Uint8Array): { bytes: Uint8Array; signature: Signature } => ({
      bytes,
      signature: signForTarget(seed, APP, mutableSignable(NOW_S + 1, bytes)),
    });
    const map = (count: number, extra: Uint8Array): Uint8Array =>
      new Uint8Array([0xa0 + count, ...record.bytes.subarray(1), ...extra]);
    const count = (record.bytes[0] ?? 0) & 31;
    const extra = encodeCbor(new Map([["zz-unknown-field", 1]])).subarray(1);
    const twice = encodeCbor(new Map([["published", NOW_S]])).subarray(1);
    for (const bytes of [
      new Uint8Array([...record.bytes, 0]),
      map(count + 1, extra),
      map(count + 1, twice),
      Buffer.from(text.replace("format", "firmat"), "latin1"),
    ]) {
      expectUntouched(newest.offer(signed(bytes)), "refused");
    }
    // Control: the same signer, the bytes as they were.
    expect(newest.offer(signed(record.bytes))).toBe("newer");
  });

  test("C12: inner seq differs from the DHT's: refused, and taken when they agree", () => {
    const record = recordOf({ version: "1.0.1", publishedS: NOW_S + 1 });
    expectUntouched(newest.offer({ ...record, seq: NOW_S + 2 }), "refused");
    // The wrong seq must not have spoiled the record for whoever sends it under its own.
    expect(newest.offer({ ...record, seq: NOW_S + 1 })).toBe("newer");
  });

  test("E1: an older record after a newer one is ignored, though the owner signed it", () => {
    const older = recordOf({ version: "0.9.0", publishedS: NOW_S - 1 });
    expectUntouched(newest.offer(older), "older");
    expect(newest.verifications).toBe(0);
    // A higher version under an older date is a replay as well.
    expectUntouched(newest.offer(recordOf({ version: "9.0.0", publishedS: NOW_S - 1 })), "older");
    // Control: without the floor the same record is the newest.
    fresh();
    expect(newest.offer(older)).toBe("newer");
  });

  test("E2: a forged signature, another owner's record, an empty value, 2 KiB", () => {
    const record = recordOf({ version: "1.0.1", publishedS: NOW_S + 1 });
    const foreign = makeRelease(generateSeed(), {
      version: "9.0.0",
      blocks: 1,
      publishedS: NOW_S + 1,
    });
    expectUntouched(newest.offer(foreign.record), "refused");
    const zeros = asSignature(new Uint8Array(64));
    expectUntouched(newest.offer({ bytes: record.bytes, signature: zeros }), "refused");
    for (const size of [0, 601, 2048]) {
      const bytes = new Uint8Array(size);
      expectUntouched(newest.offer({ bytes, signature: record.signature }), "refused");
    }
  });

  test("E3: the owner's record for another app, target or channel is ignored", () => {
    for (const name of [
      { ...APP, app: "other" },
      { ...APP, target: "linux-arm64" },
      { ...APP, channel: "beta" },
    ]) {
      const record = recordOf({ name, version: "9.0.0", publishedS: NOW_S + 1 });
      // It is a valid record, of something else.
      expect(verifyRecord(owner, record.bytes, record.signature).record.version.text).toBe("9.0.0");
      expectUntouched(newest.offer(record), "refused");
    }
  });

  test("E3: a record for our names, signed under another target's key, is refused", () => {
    const { record } = recordOf({ version: "9.0.0", publishedS: NOW_S + 1 });
    const bytes = encodeRecord(record);
    const signature = signForTarget(
      seed,
      { ...APP, channel: "beta" },
      mutableSignable(record.publishedS, bytes),
    );
    expectUntouched(newest.offer({ bytes, signature }), "refused");
    expect(newest.offer(signRecord(seed, record))).toBe("newer");
  });

  test("E4: a date in the future does not become the floor; it may be taken when its time has come", () => {
    const hour = recordOf({ version: "2.0.0", publishedS: NOW_S + 3600 });
    const decade = recordOf({ version: "3.0.0", publishedS: NOW_S + 315_360_000 });
    expectUntouched(newest.offer(hour), "early");
    expectUntouched(newest.offer(decade), "early");
    // Clocks may differ a little.
    const soon = recordOf({ version: "1.0.1", publishedS: NOW_S + RECORD_FUTURE_MAX_S });
    expect(newest.offer(soon)).toBe("newer");
    clock.advance(3_600_000);
    expect(newest.offer(hour)).toBe("newer");
  });

  test("E4: a date of 0 and an end before the beginning are refused, though signed", () => {
    const base = recordOf({ version: "1.0.1", publishedS: NOW_S + 1 }).record;
    for (const record of [
      { ...base, publishedS: 0 },
      { ...base, expiresS: NOW_S },
    ]) {
      expectUntouched(newest.offer(signRecord(seed, record)), "refused");
    }
    expect(newest.offer(signRecord(seed, { ...base, expiresS: NOW_S + 2 }))).toBe("newer");
  });

  test("E5: an old record that is all there is stays the newest known, and one better copy ends it", () => {
    clock.advance(40 * 86_400_000);
    for (let turn = 0; turn < 5; turn++) expectUntouched(newest.offer({ ...floor }), "known");
    const record = recordOf({ version: "1.0.1", publishedS: NOW_S + 86_400 });
    expect(newest.offer(record)).toBe("newer");
  });

  test("I4t: 10,000 offers of one forgery cost one verification; older ones cost none", () => {
    const record = recordOf({ version: "1.0.1", publishedS: NOW_S + 1 });
    const forged = { bytes: record.bytes, signature: asSignature(flip(record.signature, 0)) };
    for (let turn = 0; turn < 10_000; turn++) newest.offer(forged);
    expect(newest.verifications).toBe(1);
    const { record: old } = recordOf({ version: "0.1.0", publishedS: NOW_S - 1_000 });
    for (let turn = 0; turn < 10_000; turn++) {
      const bytes = encodeRecord({ ...old, lengthBytes: 5_000 + turn });
      newest.offer({ bytes, signature: forged.signature });
    }
    expect(newest.verifications).toBe(1);
  });

  test("what is remembered of forgeries is bounded, and never spoils the genuine record", () => {
    const record = recordOf({ version: "1.0.1", publishedS: NOW_S + 1 });
    for (let turn = 0; turn <= FORGERIES_MAX; turn++) {
      const bytes = encodeRecord({ ...record.record, lengthBytes: 5_000 + turn });
      expect(newest.offer({ bytes, signature: record.signature })).toBe("refused");
    }
    const count = newest.verifications;
    // The last one is remembered, the first one is not any more.
    const again = (lengthBytes: number): void => {
      const bytes = encodeRecord({ ...record.record, lengthBytes });
      expect(newest.offer({ bytes, signature: record.signature })).toBe("refused");
    };
    again(5_000 + FORGERIES_MAX);
    expect(newest.verifications).toBe(count);
    again(5_000);
    expect(newest.verifications).toBe(count + 1);
    expect(newest.offer(record)).toBe("newer");
  });
});

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[bit >> 3] = (out[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return out;
}
