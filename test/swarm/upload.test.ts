import { describe, expect, test } from "bun:test";
import { GIVE_WAY_AFTER_MS, UPLOAD_PARTIES_MAX, UPLOAD_PLACES_MAX } from "../../src/core/limits.ts";
import { partyOf } from "../../src/swarm/host-counts.ts";
import { Upload, type UploadPlace } from "../../src/swarm/upload.ts";
import { FakeClock } from "../helpers/clock.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Somebody who takes what it can get, in answers of this size. */
class Reader {
  readonly place: UploadPlace;
  readonly #answerBytes: number;
  gotBytes = 0;

  constructor(upload: Upload, host: string, answerBytes = 64 * KiB) {
    this.place = upload.join(host);
    this.#answerBytes = answerBytes;
  }

  async read(whileTrue: () => boolean): Promise<void> {
    while (whileTrue()) {
      if (!this.place.take()) return;
      const done = await this.place.turn();
      this.gotBytes += this.#answerBytes;
      done(this.#answerBytes);
    }
  }
}

/** Lets everything that is due happen: one turn is dealt in each turn of the event loop. */
async function settle(turns = 3): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(clock: FakeClock, ms: number, stepMs = 10): Promise<void> {
  for (let done = 0; done < ms; done += stepMs) {
    clock.advance(stepMs);
    await settle();
  }
}

const total = (readers: readonly Reader[]): number =>
  readers.reduce((sum, { gotBytes }) => sum + gotBytes, 0);

describe("the rate", () => {
  test.each([
    [300_000, 64 * KiB],
    [1_000_000, 20_000],
    [2_500_000, 64 * KiB],
    [2_500_000, 1_000],
  ])(
    "I3t: %d bytes a second in answers of %d, 100 readers: within a tenth",
    async (bytesPerS, size) => {
      const clock = new FakeClock();
      const upload = new Upload(clock, bytesPerS);
      const readers = Array.from(
        { length: 100 },
        (_, i) => new Reader(upload, `10.0.0.${i}`, size),
      );
      let isOn = true;
      for (const reader of readers) void reader.read(() => isOn);
      // One answer a turn: enough turns for all that may leave in a step.
      const turns = Math.ceil((bytesPerS / 100 / size) * 1.5) + 3;
      for (let ms = 0; ms < 20_000; ms += 10) {
        clock.advance(10);
        await settle(turns);
      }
      isOn = false;
      const rate = total(readers) / 20;
      expect(rate).toBeGreaterThan(0.9 * bytesPerS);
      expect(rate).toBeLessThan(1.1 * bytesPerS);
      upload.destroy();
      expect(clock.pending).toBe(0);
    },
  );

  test("without a limit nothing waits for a clock", async () => {
    const upload = new Upload(new FakeClock());
    const reader = new Reader(upload, "10.0.0.1");
    await reader.read(() => reader.gotBytes < 100 * MiB);
    expect(reader.gotBytes).toBe(100 * MiB);
  });
});

describe("whose turn it is", () => {
  test("who asks for much and often has no more than who asks for little", async () => {
    const clock = new FakeClock();
    const upload = new Upload(clock, 1_000_000);
    const small = new Reader(upload, "10.0.0.1", 4 * KiB);
    const large = new Reader(upload, "10.0.0.2", 64 * KiB);
    let isOn = true;
    for (let i = 0; i < 16; i++) void large.read(() => isOn);
    void small.read(() => isOn);
    await pass(clock, 20_000, 5);
    isOn = false;
    expect(small.gotBytes / large.gotBytes).toBeGreaterThan(0.8);
    expect(small.gotBytes / large.gotBytes).toBeLessThan(1.25);
  });

  test("an address is one party, however many connections it has; on loopback each socket is its own", async () => {
    const remote = (remoteHost: string, at: number) => ({ remoteHost, remotePort: 5_000 + at });
    for (const [host, share] of [
      ["10.0.0.2", 0.5],
      ["127.0.0.1", 0.2],
    ] as const) {
      const clock = new FakeClock();
      const upload = new Upload(clock, 1_000_000);
      const one = new Reader(upload, "10.0.0.1");
      const many = Array.from(
        { length: 4 },
        (_, at) => new Reader(upload, partyOf(remote(host, at))),
      );
      let isOn = true;
      for (const reader of [one, ...many]) void reader.read(() => isOn);
      await pass(clock, 20_000);
      isOn = false;
      const got = one.gotBytes / total([one, ...many]);
      expect(got).toBeGreaterThan(share * 0.9);
      expect(got).toBeLessThan(share * 1.1);
    }
  });

  test("D10: among 20 who read without end, who comes new gets nearly everything for some megabytes", async () => {
    const clock = new FakeClock();
    const upload = new Upload(clock, 2_000_000);
    const greedy = Array.from({ length: 20 }, (_, i) => new Reader(upload, `10.0.1.${i}`));
    let isOn = true;
    for (const reader of greedy) for (let i = 0; i < 16; i++) void reader.read(() => isOn);
    await pass(clock, 60_000);
    const honest = new Reader(upload, "10.0.0.1");
    const before = total(greedy);
    void honest.read(() => isOn && honest.gotBytes < 3 * MiB);
    await pass(clock, 2_000);
    isOn = false;
    expect(honest.gotBytes).toBe(3 * MiB);
    expect(honest.gotBytes).toBeGreaterThan(2 * (total(greedy) - before));
  });

  test("a pause earns no more than a newcomer has", async () => {
    const clock = new FakeClock();
    const upload = new Upload(clock, 2_000_000);
    const [a, b] = [new Reader(upload, "10.0.0.1"), new Reader(upload, "10.0.0.2")];
    let isOn = true;
    void a.read(() => isOn);
    await pass(clock, 60_000);
    void b.read(() => isOn);
    const before = a.gotBytes;
    await pass(clock, 20_000);
    isOn = false;
    // b is ahead by its credit, and then they share.
    expect(b.gotBytes - (a.gotBytes - before)).toBeLessThan(5 * MiB);
    expect(a.gotBytes - before).toBeGreaterThan(15 * MiB);
  });

  test("who has left does not hold up the others", async () => {
    const clock = new FakeClock();
    const upload = new Upload(clock, 1_000_000);
    const gone = new Reader(upload, "10.0.0.1");
    const stays = new Reader(upload, "10.0.0.2");
    void gone.read(() => true);
    gone.place.leave();
    void stays.read(() => stays.gotBytes < MiB);
    await pass(clock, 3_000);
    expect(stays.gotBytes).toBe(MiB);
  });

  // A copy that had met an address once and told it some keys of peers knew it for ever.
  test("of those who are gone a bounded number is remembered, and who has read most for longest", async () => {
    const clock = new FakeClock();
    const upload = new Upload(clock);
    const came = async (host: string, sizeBytes: number): Promise<void> => {
      const reader = new Reader(upload, host, sizeBytes);
      await reader.read(() => reader.gotBytes === 0);
      reader.place.leave();
    };
    const judge = new Reader(upload, "10.0.0.1", 256 * KiB);
    clock.advance(60_000);
    await judge.read(() => judge.gotBytes === 0);
    const isKnown = (host: string): boolean =>
      judge.place.lead(host) !== judge.place.lead("10.0.0.2");
    await came("10.1.0.1", 128 * KiB);
    await came("10.1.0.2", 32);
    expect([isKnown("10.1.0.1"), isKnown("10.1.0.2")]).toEqual([true, true]);
    for (let nth = 0; nth < UPLOAD_PARTIES_MAX; nth++) await came(`10.2.0.${nth}`, 64);
    expect([isKnown("10.1.0.1"), isKnown("10.1.0.2")]).toEqual([true, false]);
    const known = Array.from({ length: UPLOAD_PARTIES_MAX }, (_, nth) => isKnown(`10.2.0.${nth}`));
    // Beside the two who have had more.
    expect(known.filter(Boolean)).toHaveLength(UPLOAD_PARTIES_MAX - 2);
  });
});

describe("places", () => {
  const places = (upload: Upload, count: number): UploadPlace[] =>
    Array.from({ length: count }, (_, i) => upload.join(`10.0.0.${i}`));

  test("are as many as there are, and free again when somebody leaves", () => {
    const upload = new Upload(new FakeClock());
    const held = places(upload, UPLOAD_PLACES_MAX);
    expect(held.every((place) => place.take())).toBe(true);
    const late = upload.join("10.0.1.0");
    expect(late.take()).toBe(false);
    held[3]?.leave();
    expect(late.take()).toBe(true);
    expect(late.take()).toBe(true);
  });

  test("are fewer when the rate would not keep all of them alive", () => {
    const slow = places(new Upload(new FakeClock(), 20_000), 2);
    expect(slow.map((place) => place.take())).toEqual([true, false]);
    const faster = places(new Upload(new FakeClock(), 100_000), 10);
    expect(faster.filter((place) => place.take())).toHaveLength(3);
  });

  test("are given on by who asks for nothing", async () => {
    const clock = new FakeClock();
    const upload = new Upload(clock, 20_000);
    const [idle, late] = places(upload, 2);
    expect(idle?.take()).toBe(true);
    clock.advance(GIVE_WAY_AFTER_MS - 1);
    expect(late?.take()).toBe(false);
    clock.advance(1);
    expect(late?.take()).toBe(true);
    expect(idle?.take()).toBe(false);
  });

  test("D10: are given on by who has had more, so that nobody holds them all for ever", async () => {
    const clock = new FakeClock();
    const upload = new Upload(clock, 20_000);
    const greedy = new Reader(upload, "10.0.0.1");
    let isOn = true;
    void greedy.read(() => isOn);
    await pass(clock, 29_000, 100);
    const late = upload.join("10.0.0.2");
    expect(late.take()).toBe(false);
    await pass(clock, 2_000, 100);
    expect(late.take()).toBe(true);
    expect(greedy.place.take()).toBe(false);
    isOn = false;
  });

  test("D10: of those that one address has, a stranger gets one at once, and the address none back", () => {
    const clock = new FakeClock();
    const upload = new Upload(clock);
    const many = Array.from({ length: UPLOAD_PLACES_MAX }, () => upload.join("10.0.0.1"));
    for (const place of many) {
      expect(place.take()).toBe(true);
      void place.turn();
    }
    expect(upload.join("10.0.0.2").take()).toBe(true);
    expect(upload.join("10.0.0.3").take()).toBe(true);
    expect(upload.join("10.0.0.1").take()).toBe(false);
  });

  test("D10: who reads for long is ahead of a stranger, and not of itself under another key", async () => {
    const clock = new FakeClock();
    const upload = new Upload(clock, 1_000_000);
    const greedy = new Reader(upload, "10.0.0.1");
    const other = new Reader(upload, "10.0.0.2");
    let isOn = true;
    for (const reader of [greedy, other]) void reader.read(() => isOn);
    await pass(clock, 29_000, 100);
    expect(greedy.place.lead("10.0.0.3")).toBe(0);
    await pass(clock, 2_000, 100);
    expect(greedy.place.lead("10.0.0.3")).toBeGreaterThan(3 * MiB);
    // The one is as good as the other, however often it comes.
    expect(greedy.place.lead("10.0.0.1")).toBe(0);
    expect(greedy.place.lead("10.0.0.2")).toBeLessThan(MiB);
    isOn = false;
  });
});
