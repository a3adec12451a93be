/** A provider and its clients over the real transport; the clients misbehave. */
import type { SecretStream } from "@hyperswarm/dht";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { asContentRoot, asSignature } from "../../src/core/brand.ts";
import { concat } from "../../src/core/bytes.ts";
import { unixMinute } from "../../src/core/clock.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import {
  AUTH_TIMEOUT_MS,
  CONNECTIONS_IN_MAX,
  ERROR_ANSWERS_MAX,
  FRAME_MAX_BYTES,
  HELLO_MAX_BYTES,
  IDLE_TIMEOUT_MS,
  PROGRESS_WINDOW_MS,
  REQUESTS_IN_FLIGHT_MAX,
} from "../../src/core/limits.ts";
import { encodeClientMessage } from "../../src/swarm/encode-messages.ts";
import type { ProviderMessage, Request } from "../../src/swarm/messages.ts";
import { OutlineReader } from "../../src/content/outline.ts";
import { decodePiece } from "../../src/content/piece.ts";
import { REGION_BYTES } from "../../src/exe/region.ts";
import { loadHyperDHT } from "../../src/swarm/node.ts";
import { FakeClock } from "../helpers/clock.ts";
import { makeRelease, type TestRelease } from "../helpers/release.ts";
import {
  openRawClient,
  RawClient,
  SwarmWorld,
  until,
  type TestProvider,
} from "../helpers/swarm-world.ts";

const HyperDHT = await loadHyperDHT();
let world: SwarmWorld;
let release: TestRelease;
let honest: TestProvider;

beforeAll(async () => {
  world = await SwarmWorld.create();
  release = world.release({ version: "1.0.1", blocks: 4 });
  honest = await world.provider([release]);
});
afterAll(() => world.destroy());

const root = (): TestRelease["table"]["root"] => release.table.root;

const NOTHING = new Uint8Array(0);

/** A request for one chunk as it is. */
function piece(id: number, first: number, of: TestRelease = release): Request & { type: "piece" } {
  const { root: wanted } = of.table;
  return { type: "piece", id, root: wanted, first, count: 1, base: undefined, sketch: NOTHING };
}

function page(id: number, first: number): Request & { type: "table" } {
  return { type: "table", id, root: root(), first, base: undefined, listed: NOTHING };
}

/** Its answer: noise cannot be compressed. */
function answerTo({ id, first }: Request & { type: "piece" }): ProviderMessage {
  const { offset, sizeBytes } = release.table.rangeOf(first);
  const bytes = concat(Uint8Array.of(0), release.bytes.subarray(offset, offset + sizeBytes));
  return { type: "piece", id, bytes };
}

async function client(provider: TestProvider = honest): Promise<RawClient> {
  const raw = await world.rawClient(provider.publicKey);
  world.onDestroy(() => raw.stream.destroy());
  return raw;
}

const bytesOf = (frame: ProviderMessage | undefined): Uint8Array =>
  frame !== undefined && "bytes" in frame ? frame.bytes : NOTHING;

/** The provider is alive and serves: said after every attack. */
async function expectServing(provider: TestProvider = honest): Promise<void> {
  const raw = await (await client(provider)).enter();
  raw.send(piece(7, 3));
  const answer: ProviderMessage = await raw.answer("piece");
  expect(answer).toEqual(answerTo(piece(7, 3)));
  raw.stream.destroy();
}

describe("an honest client", () => {
  test("gets the record, the region, the table and pieces, in the order it asked", async () => {
    const raw = await (await client()).enter();
    expect((await raw.answer("welcome")).record?.bytes).toEqual(release.record.bytes);
    raw.send(piece(9, 3), { type: "region", id: 1, root: root() }, page(2, 0), piece(3, 0));
    await until(() => raw.frames.length === 5, "all answers");
    const [, last, region, table, first] = raw.frames;
    expect(last).toEqual(answerTo(piece(9, 3)));
    expect(decodePiece(bytesOf(region), REGION_BYTES, undefined)).toEqual(release.region);
    const outline = new OutlineReader(release.bytes.length, undefined);
    outline.add(bytesOf(table));
    expect(outline.finish(root()).count).toBe(release.table.count);
    expect(first).toEqual(answerTo(piece(3, 0)));
    raw.stream.destroy();
  });

  test("may cancel, and every request still gets exactly one answer", async () => {
    const raw = await (await client()).enter();
    for (let id = 0; id < REQUESTS_IN_FLIGHT_MAX; id++) {
      raw.send(piece(id, 0));
    }
    for (let id = 1; id < REQUESTS_IN_FLIGHT_MAX; id++) raw.send({ type: "cancel", id });
    await until(() => raw.frames.length === 1 + REQUESTS_IN_FLIGHT_MAX, "all answers");
    const ids = raw.frames.slice(1).map((frame) => ("id" in frame ? frame.id : -1));
    expect(ids).toEqual(Array.from({ length: REQUESTS_IN_FLIGHT_MAX }, (_, id) => id));
    expect(raw.isClosed).toBe(false);
    raw.stream.destroy();
  });

  test("tells a newer record, which the provider keeps once it has verified it", async () => {
    const provider = await world.provider([release]);
    const newer = world.release({
      version: "1.0.2",
      publishedS: release.record.record.publishedS + 1,
    }).record;
    const raw = await (await client(provider)).enter();
    raw.send({ type: "record", record: newer });
    await until(() => provider.newest.current?.bytes.length === newer.bytes.length, "the record");
    await until(() => provider.newest.current?.record.version.text === "1.0.2", "the record");
    const next = await (await client(provider)).enter();
    expect((await next.answer("welcome")).record?.bytes).toEqual(newer.bytes);
  });
});

describe("before the welcome", () => {
  test("C7: any message before the hello, and the client is dropped without a word", async () => {
    for (const message of [
      { type: "record", record: release.record },
      { type: "region", id: 0, root: root() },
      piece(0, 0),
      { type: "cancel", id: 0 },
      { type: "done", root: root() },
    ] as const) {
      const raw = await client();
      raw.send(message, raw.hello());
      await raw.dropped;
      expect(raw.frames).toEqual([]);
    }
    await expectServing();
  });

  test("C8: minutes -1, 0 and +1 are let in; -2 and +2 are denied and told the minute", async () => {
    const clock = new FakeClock(Math.floor(Date.now() / 60_000) * 60_000 + 30_000);
    const provider = await world.provider([release], { clock });
    const minute = unixMinute(clock.nowMs());
    for (const skew of [-1, 0, 1]) {
      const raw = await client(provider);
      raw.send(helloAt(raw, minute + skew));
      expect((await raw.answer("welcome")).type).toBe("welcome");
      raw.stream.destroy();
    }
    for (const skew of [-2, 2]) {
      const raw = await client(provider);
      raw.send(helloAt(raw, minute + skew));
      expect((await raw.answer("denied")).minute).toBe(minute);
      await raw.dropped;
      expect(raw.frames.length).toBe(1);
    }
  });

  test("C8: the auth of another owner is denied; no version is told", async () => {
    const raw = await client();
    const stranger = { ...world.scope, owner: publicKeyOf(generateSeed()) };
    raw.send(new RawClient(raw.stream, stranger).hello());
    await raw.dropped;
    expect(raw.frames.map(({ type }) => type)).toEqual(["denied"]);
  });

  test("C8: a hello of another stream is dropped, and passes on its own", async () => {
    const victim = await client();
    const thief = await client();
    const hello = victim.hello();
    thief.send(hello);
    await thief.dropped;
    expect(thief.frames).toEqual([]);
    victim.send(hello);
    expect((await victim.answer("welcome")).type).toBe("welcome");
    victim.stream.destroy();
  });

  test("C8: 63 bytes of auth are dropped", async () => {
    const raw = await client();
    const frame = encodeClientMessage(raw.hello());
    // array 4 · 0 · text 14 · then 58 40 and the auth.
    const at = 2 + 14;
    raw.sendRaw(concat(frame.subarray(0, at), Uint8Array.of(0x58, 63), frame.subarray(at + 3)));
    await raw.dropped;
    expect(raw.frames).toEqual([]);
  });

  test("a private swarm lets nobody in without its secret, nor does its client stay with a liar", async () => {
    const secret = { ...world.scope, sharedSecret: new Uint8Array(32).fill(5) };
    const provider = await world.provider([release], { scope: secret });
    const without = await client(provider);
    without.send(without.hello());
    await without.dropped;
    expect(without.frames).toEqual([]);
    const wrong = await world.rawClient(provider.publicKey, {
      ...secret,
      sharedSecret: new Uint8Array(32).fill(6),
    });
    wrong.send(wrong.hello());
    await wrong.dropped;
    const right = await (await world.rawClient(provider.publicKey, secret)).enter();
    right.stream.destroy();
  });

  test("whoever says nothing is dropped at the auth deadline, also when bytes trickle in", async () => {
    const clock = new FakeClock(Date.now());
    const provider = await world.provider([release], { clock });
    const silent = await client(provider);
    await until(() => provider.provider.connections === 1, "the connection");
    // C6: empty frames for ever do not move the deadline.
    for (let turn = 0; turn < 100; turn++) silent.sendRaw(new Uint8Array(0));
    await Bun.sleep(20);
    clock.advance(AUTH_TIMEOUT_MS - 1);
    await Bun.sleep(20);
    expect(silent.isClosed).toBe(false);
    clock.advance(1);
    await silent.dropped;
    expect(provider.provider.connections).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test("a frame above the limit of strangers is refused by its claim, before it is held", async () => {
    const provider = await world.provider([release]);
    // Control: that size is no offence once inside.
    const inside = await (await client(provider)).enter();
    inside.send({ type: "record", record: release.record });
    await Bun.sleep(30);
    expect(inside.isClosed).toBe(false);
    const raw = await client(provider);
    raw.sendRaw(new Uint8Array(HELLO_MAX_BYTES + 1));
    await raw.dropped;
    inside.stream.destroy();
  });

  test("D11: claims of 16 MiB frames from 32 connections, then silence: no memory is held", async () => {
    const clock = new FakeClock(Date.now());
    const provider = await world.provider([release], { clock });
    const dht = await world.net.createNode();
    const before = process.memoryUsage().rss;
    const raws: RawClient[] = [];
    for (let count = 0; count < CONNECTIONS_IN_MAX; count++) {
      raws.push(await openRawClient(dht, provider.publicKey, HyperDHT.keyPair(), world.scope));
    }
    await until(() => provider.provider.connections === CONNECTIONS_IN_MAX, "all connections");
    for (const raw of raws) claim16MiB(raw.stream, 512);
    await Bun.sleep(50);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    clock.advance(AUTH_TIMEOUT_MS);
    await Promise.all(raws.map(({ dropped }) => dropped));
    expect(provider.provider.connections).toBe(0);
    await expectServing(provider);
  });

  test("D11: a claim of 16 MiB that is followed by bytes is refused at once", async () => {
    const raw = await client();
    claim16MiB(raw.stream, 1024 * 1024);
    await raw.dropped;

    // What is stopped: a secret stream by itself believes the claim.
    const dht = await world.net.createNode();
    const { promise, resolve } = Promise.withResolvers<SecretStream>();
    const server = dht.createServer((stream) => {
      stream.on("error", () => undefined);
      stream.resume();
      resolve(stream);
    });
    await server.listen();
    const other = await world.rawClient(dht.defaultKeyPair.publicKey);
    claim16MiB(other.stream, 1024 * 1024);
    const victim = await promise;
    const held = (): number => (Reflect.get(victim, "_message") as Uint8Array | null)?.length ?? 0;
    await until(() => held() === 0xff_ff_ff, "16 MiB to be allocated");
    other.stream.destroy();
  });
});

/** Past the encryption, as an attacker's own transport would write it: a u24 length of 2^24 − 1. */
function claim16MiB(stream: SecretStream, followingBytes: number): void {
  const raw = stream.rawStream as unknown as { write(bytes: Uint8Array): boolean };
  raw.write(concat(Uint8Array.of(0xff, 0xff, 0xff), new Uint8Array(followingBytes)));
}

describe("after the welcome", () => {
  /** Says these after a good hello; resolves with what came back after the welcome once dropped. */
  async function afterHello(...frames: Uint8Array[]): Promise<RawClient["frames"]> {
    const raw = await (await client()).enter();
    for (const frame of frames) raw.sendRaw(frame);
    await raw.dropped;
    return raw.frames.slice(1);
  }

  test("C7: a second hello, an unknown type, a provider's message, half a frame", async () => {
    const raw = await (await client()).enter();
    raw.send(raw.hello());
    await raw.dropped;
    // [10, 0], then a denied, a block without a request, and an array that ends too early.
    expect(await afterHello(Uint8Array.of(0x82, 10, 0))).toEqual([]);
    expect(await afterHello(Uint8Array.of(0x82, 1, 0))).toEqual([]);
    expect(await afterHello(Uint8Array.of(0x83, 6, 0, 0x41, 0))).toEqual([]);
    expect(await afterHello(Uint8Array.of(0x82, 7))).toEqual([]);
    await expectServing();
  });

  test("a forged record and a second record", async () => {
    const signature = asSignature(Uint8Array.from(release.record.signature).reverse());
    const newer = world.release({
      version: "9.0.0",
      publishedS: release.record.record.publishedS + 9,
    });
    const forged = { bytes: newer.record.bytes, signature };
    expect(await afterHello(encodeClientMessage({ type: "record", record: forged }))).toEqual([]);
    const foreign = makeRelease(generateSeed(), { version: "9.0.0" }).record;
    expect(await afterHello(encodeClientMessage({ type: "record", record: foreign }))).toEqual([]);
    const known = encodeClientMessage({ type: "record", record: release.record });
    expect(await afterHello(known, known)).toEqual([]);
    expect(honest.newest.current?.bytes).toEqual(release.record.bytes);
  });

  test("C9: out of range and unknown roots get error answers, then the client is dropped at the cap", async () => {
    const raw = await (await client()).enter();
    const { count } = release.table;
    const unknown = asContentRoot(new Uint8Array(32));
    raw.send(
      { ...piece(0, count - 1), count: 2 },
      piece(1, 0xffff_ffff),
      page(2, release.table.runCount),
      page(3, 0xffff_ffff),
      { type: "region", id: 4, root: unknown },
      piece(5, count - 1),
    );
    await raw.answer("piece");
    const answers = raw.frames
      .slice(1)
      .map((frame) => ("reason" in frame ? frame.reason : frame.type));
    const range = "out-of-range";
    expect(answers).toEqual([range, range, range, range, "not-held", "piece"]);
    // Five of them are used up.
    for (let id = 6; id < 1 + ERROR_ANSWERS_MAX; id++) {
      raw.send(piece(id, count));
    }
    await until(() => raw.frames.length === 2 + ERROR_ANSWERS_MAX, "the last error answer");
    expect(raw.isClosed).toBe(false);
    raw.send(piece(99, count));
    await raw.dropped;
    expect(raw.frames.length).toBe(2 + ERROR_ANSWERS_MAX);
    await expectServing();
  });

  test("C9: a negative index is not even a frame", async () => {
    const frame = encodeClientMessage(piece(0, 0));
    // Then come the count, no base and no sketch; 0x20 is -1.
    expect(frame.at(-4)).toBe(0);
    const negative = concat(frame.subarray(0, -4), Uint8Array.of(0x20), frame.subarray(-3));
    expect(await afterHello(negative)).toEqual([]);
  });

  test("C9: an id used twice at once, and more requests at once than allowed", async () => {
    const raw = await (await client()).enter();
    // A client that takes nothing: its answers pile up on its side of the wire, not in our memory.
    raw.stream.pause();
    for (let turn = 0; turn < 3; turn++) raw.send(piece(1, 0));
    raw.stream.resume();
    await raw.dropped;

    const flood = await (await client()).enter();
    for (let id = 0; id < 1_000; id++) flood.send(piece(id, 0));
    await flood.dropped;
    const answered = flood.frames.filter(({ type }) => type === "piece").length;
    expect(answered).toBeLessThanOrEqual(2 * REQUESTS_IN_FLIGHT_MAX);
    await expectServing();
  });

  test("C6: a thousand good requests, as fast as their answers come, are served", async () => {
    const raw = await (await client()).enter();
    let asked = 0;
    const ask = (): void => raw.send(page(asked++, 0));
    raw.stream.on("data", () => {
      if (asked < 1_000) ask();
    });
    for (let turn = 0; turn < REQUESTS_IN_FLIGHT_MAX; turn++) ask();
    await until(() => raw.frames.length === 1_001, "a thousand answers");
    raw.stream.destroy();
  });

  test("remarks without end are no way to stay: more of them than requests, and the client goes", async () => {
    const remarks = [1, 2, 3].map((id) => encodeClientMessage({ type: "cancel", id }));
    expect(await afterHello(...remarks)).toEqual([]);
    const done = encodeClientMessage({ type: "done", root: root() });
    expect(await afterHello(done, done)).toEqual([]);
    // One is no offence, though nothing was asked: everything may have come from others.
    const raw = await (await client()).enter();
    raw.sendRaw(done);
    raw.send(piece(1, 0));
    expect((await raw.answer("piece")).id).toBe(1);
    raw.stream.destroy();
  });

  test("a frame above the limit", async () => {
    expect(await afterHello(new Uint8Array(FRAME_MAX_BYTES + 1))).toEqual([]);
  });

  test("C6: an idle client is dropped, empty frames or not", async () => {
    const clock = new FakeClock(Date.now());
    const provider = await world.provider([release], { clock });
    const raw = await (await client(provider)).enter();
    clock.advance(IDLE_TIMEOUT_MS - 1);
    for (let turn = 0; turn < 100; turn++) raw.sendRaw(new Uint8Array(0));
    await Bun.sleep(20);
    expect(raw.isClosed).toBe(false);
    clock.advance(1);
    await raw.dropped;
  });

  test("a client that asks and does not take its answers is dropped", async () => {
    const clock = new FakeClock(Date.now());
    const big = world.release({ version: "1.0.1", blocks: 64, salt: 3 });
    const provider = await world.provider([big], { clock });
    const raw = await (await client(provider)).enter();
    raw.stream.pause();
    // What the transport buffers on both sides has to be filled first: until one request is not served.
    let id = 0;
    for (let isServed = true; isServed && id < 500; id++) {
      const servedBytes = provider.servedBytes();
      raw.send(piece(id, id % 64, big));
      // A busy machine takes its time; only what stays unserved has found everything full.
      for (let wait = 0; wait < 50 && servedBytes === provider.servedBytes(); wait++) {
        await Bun.sleep(20);
      }
      isServed = servedBytes !== provider.servedBytes();
    }
    clock.advance(PROGRESS_WINDOW_MS - 1);
    await Bun.sleep(20);
    expect(provider.provider.connections).toBe(1);
    clock.advance(1);
    await until(() => provider.provider.connections === 0, "to be dropped");
    raw.stream.destroy();
  }, 20_000);

  test("the number of connections holds for those that come around the firewall as well", async () => {
    const { provider } = await world.provider([release]);
    const dht = await world.net.createNode();
    const server = dht.createServer((stream) => provider.accept(stream));
    await server.listen();
    const other = await world.net.createNode();
    const { publicKey } = dht.defaultKeyPair;
    const raws: RawClient[] = [];
    for (let count = 0; count <= CONNECTIONS_IN_MAX; count++) {
      raws.push(await openRawClient(other, publicKey, HyperDHT.keyPair(), world.scope));
    }
    await raws.at(-1)?.dropped;
    expect(provider.connections).toBe(CONNECTIONS_IN_MAX);
    for (const raw of raws) raw.stream.destroy();
  });

  test("32 connections at once and no more; a place that is left is free again", async () => {
    const provider = await world.provider([release]);
    const dht = await world.net.createNode();
    const open = (): Promise<RawClient> =>
      openRawClient(dht, provider.publicKey, HyperDHT.keyPair(), world.scope);
    const raws: RawClient[] = [];
    for (let count = 0; count < CONNECTIONS_IN_MAX; count++)
      raws.push(await (await open()).enter());
    const stream = dht.connect(provider.publicKey, { keyPair: HyperDHT.keyPair() });
    stream.on("error", () => undefined);
    const refused = await Promise.race([
      stream.opened.then((opened) => !opened),
      Bun.sleep(300).then(() => true),
    ]);
    expect(refused).toBe(true);
    stream.destroy();
    expect(provider.provider.connections).toBe(CONNECTIONS_IN_MAX);
    for (const raw of raws.splice(0, 2)) raw.stream.destroy();
    await until(() => provider.provider.connections === CONNECTIONS_IN_MAX - 2, "places");
    await (await open()).enter();
    for (const raw of raws) raw.stream.destroy();
  });
});

function helloAt(raw: RawClient, minute: number): ReturnType<RawClient["hello"]> {
  return raw.hello(minute - unixMinute(Date.now()));
}
