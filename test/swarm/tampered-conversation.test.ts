/**
 * A whole conversation, hello to done, with one frame changed on its way: a byte flipped, or cut off. Whatever it was,
 * nothing wrong is accepted on either side, and neither side breaks.
 */
import type { SecretStream } from "@hyperswarm/dht";
import { beforeAll, expect, test } from "bun:test";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import { Download } from "../../src/swarm/download.ts";
import { Hope } from "../../src/swarm/hope.ts";
import { Holdings } from "../../src/swarm/holdings.ts";
import { NewestRecord } from "../../src/swarm/newest-record.ts";
import { SwarmError } from "../../src/swarm/error.ts";
import { Peers } from "../../src/swarm/peers.ts";
import { ProviderSession } from "../../src/swarm/provider-session.ts";
import { RemoteProvider } from "../../src/swarm/remote-provider.ts";
import { Upload } from "../../src/swarm/upload.ts";
import { randomFrom } from "../faults/plan.ts";
import { FakeClock } from "../helpers/clock.ts";
import { APP, makeRelease, noise } from "../helpers/release.ts";

/** Cases of each kind in one run; all of them: TAMPER_CASES=Infinity. */
const CASES = Number(process.env["TAMPER_CASES"] ?? 150);
/** Longer than every deadline. */
const LONG_MS = 300_000;

const seed = generateSeed();
const scope = { owner: publicKeyOf(seed), name: APP, sharedSecret: undefined };
const nowS = Math.floor(new FakeClock().nowMs() / 1000);
const older = makeRelease(seed, { version: "1.0.0", blocks: 1, salt: 2, publishedS: nowS - 100 });
const release = makeRelease(seed, {
  version: "1.0.1",
  blocks: 3,
  isPinned: true,
  publishedS: nowS - 50,
});

type Way = "to provider" | "to client";
type Tamper = (way: Way, nth: number, frame: Uint8Array) => Uint8Array;

/** One end of an encrypted stream, without the encryption. */
class End {
  other: End | undefined;
  readonly handshakeHash: Uint8Array = noise(64, 3).slice();
  readonly remotePublicKey: Uint8Array = noise(32, 4).slice();
  readonly rawStream: { remoteHost: string; bytesReceived: number } = {
    remoteHost: "192.0.2.1",
    bytesReceived: 0,
  };
  readonly #listeners = new Map<string, ((value: Uint8Array) => void)[]>();
  readonly #way: Way;
  readonly #tamper: Tamper;
  #sent = 0;
  #isDestroyed = false;

  constructor(way: Way, tamper: Tamper) {
    this.#way = way;
    this.#tamper = tamper;
  }

  on(event: string, listener: (value: Uint8Array) => void): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  /** Room for a frame that is written next. */
  alloc(sizeBytes: number): Uint8Array {
    return new Uint8Array(sizeBytes);
  }

  write(frame: Uint8Array): boolean {
    const changed = this.#tamper(this.#way, this.#sent++, frame.slice());
    setImmediate(() => this.other?.emit("data", changed));
    return true;
  }

  async flush(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    return true;
  }

  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    setImmediate(() => {
      this.emit("close");
      this.other?.destroy();
    });
  }

  emit(event: string, value: Uint8Array = new Uint8Array(0)): void {
    if (event !== "close" && this.#isDestroyed) return;
    for (const listener of this.#listeners.get(event) ?? []) listener(value);
  }
}

async function turns(count: number, isOver: () => boolean): Promise<void> {
  for (let turn = 0; turn < count && !isOver(); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Lets both talk; throws when anything wrong was accepted. Says whether the download was completed. */
async function conversation(tamper: Tamper): Promise<boolean> {
  const clock = new FakeClock();
  const ends = [new End("to provider", tamper), new End("to client", tamper)] as const;
  [ends[0].other, ends[1].other] = [ends[1], ends[0]];
  const [ours, theirs] = ends as unknown as readonly [SecretStream, SecretStream];

  const known = new NewestRecord(scope, clock, release.record, () => undefined);
  const holdings = new Holdings(clock);
  holdings.add(release);
  const upload = new Upload(clock);
  const context = { scope, clock, holdings, newest: known, upload };
  const session = new ProviderSession(theirs, context, () => undefined);

  const newest = new NewestRecord(scope, clock, older.record, () => undefined);
  const provider = new RemoteProvider(ours, { scope, clock });
  const got = new Uint8Array(release.bytes.length);
  const download = new Download(
    release.record,
    {
      checkRegion: (region) => {
        checkRegion(scope.owner, region, release.record);
        expect(Buffer.compare(region, release.region)).toBe(0);
      },
      missing: ({ count }) => Array.from({ length: count }, (_, index) => index),
      onPiece: ({ offset }, bytes) => {
        const expected = release.bytes.subarray(offset, offset + bytes.length);
        expect(Buffer.compare(bytes, expected)).toBe(0);
        got.set(bytes, offset);
      },
    },
    clock,
    new Peers(clock, new Uint8Array(32)),
    new Hope(),
  );
  let isDone = false;
  download.result.then(
    () => (isDone = true),
    () => undefined,
  );
  const use = (async () => {
    const claim = await provider.welcomed;
    if (claim !== undefined && newest.offer(claim) === "refused") return provider.close(lie());
    provider.tellRecord(older.record);
    await download.use(provider);
  })().catch(() => undefined);

  const isOver = (): boolean => provider.isClosed;
  await turns(200, isOver);
  // What hangs now is ended by a deadline.
  clock.advance(LONG_MS);
  await turns(50, isOver);
  expect(provider.isClosed).toBe(true);
  await use;
  session.close(lie());
  download.fail(lie());
  holdings.destroy();
  upload.destroy();
  expect(clock.pending).toBe(0);
  // I3: no claim has become state.
  expect(known.current?.record.version.text).toBe("1.0.1");
  expect(["1.0.0", "1.0.1"]).toContain(newest.current?.record.version.text ?? "");
  if (isDone) expect(Buffer.compare(got, release.bytes)).toBe(0);
  return isDone;
}

function lie(): SwarmError {
  return new SwarmError("STOPPED", "the test is over", { blame: "local" });
}

/** Sizes of the frames of an honest conversation. */
const frames: { readonly way: Way; readonly nth: number; readonly sizeBytes: number }[] = [];
let isDoneHonestly = false;
beforeAll(async () => {
  isDoneHonestly = await conversation((way, nth, frame) => {
    frames.push({ way, nth, sizeBytes: frame.length });
    return frame;
  });
});

test("control: as it is, it leads to the release", () => {
  expect(isDoneHonestly).toBe(true);
  // hello, record, region, table, pieces, done; welcome and answers.
  expect(frames.filter(({ way }) => way === "to provider").length).toBeGreaterThan(5);
  expect(frames.filter(({ way }) => way === "to client").length).toBeGreaterThan(4);
});

const seedOfRun = Number(process.env["TAMPER_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
test.each<[string, (frame: Uint8Array, at: number, random: number) => Uint8Array]>([
  [
    "with one flipped bit",
    (frame, at, random) => {
      frame[at] = (frame[at] ?? 0) ^ (1 << Math.floor(8 * random));
      return frame;
    },
  ],
  ["cut off", (frame, at) => frame.subarray(0, at)],
])(
  "C1: any frame %s leads to nothing wrong",
  async (_, change) => {
    console.log(`TAMPER_SEED=${seedOfRun}`);
    const random = randomFrom(seedOfRun);
    let completed = 0;
    let cases = 0;
    for (const { way, nth, sizeBytes } of frames) {
      // Every byte of it, or some of them; its beginning has more to say than its content.
      const share = Math.min(sizeBytes, Math.ceil(CASES / frames.length));
      for (let nthCase = 0; nthCase < share; nthCase++) {
        const range = nthCase % 2 === 0 ? Math.min(sizeBytes, 64) : sizeBytes;
        const at = share === sizeBytes ? nthCase : Math.floor(random() * range);
        const bit = random();
        cases++;
        const isDone = await conversation((oneWay, oneNth, frame) =>
          oneWay === way && oneNth === nth ? change(frame, at, bit) : frame,
        );
        if (isDone) completed++;
      }
    }
    expect(cases).toBeGreaterThan(frames.length);
    // Only what does not matter does not stop it: the last words, the record of an older version.
    expect(completed).toBeLessThan(cases / 2);
  },
  600_000,
);
