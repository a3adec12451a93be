/** One owner, a DHT on loopback, and peers of every kind on it. */
import type HyperDHT from "@hyperswarm/dht";
import type { KeyPair, SecretStream } from "@hyperswarm/dht";
import type { PublicKey, SecretSeed } from "../../src/core/brand.ts";
import { toHex } from "../../src/core/bytes.ts";
import { systemClock, unixMinute, type Clock } from "../../src/core/clock.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import type { VerifiedRecord } from "../../src/core/release-record.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import { authOf, bindingOf } from "../../src/swarm/auth.ts";
import type { CopyStatus } from "../../src/swarm/copy-status.ts";
import { Dialer } from "../../src/swarm/dialer.ts";
import type { FetchOptions } from "../../src/swarm/fetch-options.ts";
import { fetchRelease } from "../../src/swarm/getter.ts";
import { Holdings, type Holding } from "../../src/swarm/holdings.ts";
import { decodeProviderMessage } from "../../src/swarm/decode-messages.ts";
import { encodeClientMessage } from "../../src/swarm/encode-messages.ts";
import type { ClientMessage, ProviderMessage } from "../../src/swarm/messages.ts";
import { NewestRecord } from "../../src/swarm/newest-record.ts";
import { Peers } from "../../src/swarm/peers.ts";
import { Provider } from "../../src/swarm/provider.ts";
import type { SwarmScope } from "../../src/swarm/scope.ts";
import { Swarm, type SwarmOptions } from "../../src/swarm/swarm.ts";
import { createLoopbackDht, type LoopbackDht } from "./dht.ts";
import { APP, makeRelease, type ReleaseOptions, type TestRelease } from "./release.ts";

export class SwarmWorld {
  readonly net: LoopbackDht;
  readonly seed: SecretSeed = generateSeed();
  readonly owner: PublicKey;
  readonly scope: SwarmScope;
  readonly #cleanups: (() => unknown)[] = [];

  private constructor(net: LoopbackDht, sharedSecret: Uint8Array | undefined) {
    this.net = net;
    this.owner = publicKeyOf(this.seed);
    this.scope = { owner: this.owner, name: APP, sharedSecret };
  }

  static async create(nodes = 3, sharedSecret?: Uint8Array): Promise<SwarmWorld> {
    return new SwarmWorld(await createLoopbackDht(nodes), sharedSecret);
  }

  async destroy(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
    await this.net.destroy();
  }

  onDestroy(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  release(options: ReleaseOptions): TestRelease {
    return makeRelease(this.seed, options);
  }

  async swarm(options: Partial<SwarmOptions> = {}): Promise<Swarm> {
    const swarm = await Swarm.start({
      ...this.scope,
      bootstrap: this.net.bootstrap,
      clock: systemClock,
      log: () => undefined,
      ...options,
    });
    this.onDestroy(() => swarm.destroy());
    return swarm;
  }

  /** A provider without announcements, to be reached by its key. */
  async provider(
    holdings: readonly Holding[],
    {
      clock = systemClock,
      scope = this.scope,
      status,
      uploadBytesPerS = Infinity,
    }: PeerOptions = {},
  ): Promise<TestProvider> {
    const dht = await this.net.createNode();
    const peers = new Peers(clock, dht.defaultKeyPair.publicKey);
    const newest = new NewestRecord(scope, clock, undefined, () => undefined);
    const held = new Holdings(clock);
    for (const holding of holdings) {
      held.add(holding);
      newest.offer(holding.record);
    }
    const done: string[] = [];
    let servedBytes = 0;
    const provider = new Provider({
      scope,
      clock,
      peers,
      newest,
      holdings: held,
      uploadBytesPerS,
      onDone: (client) => void done.push(toHex(client)),
      onServed: (sizeBytes) => (servedBytes += sizeBytes),
      ...(status === undefined ? {} : { status }),
    });
    await provider.listen(dht);
    this.onDestroy(() => {
      held.destroy();
      return provider.destroy();
    });
    const { publicKey } = dht.defaultKeyPair;
    const count = (): number => servedBytes;
    return { dht, provider, peers, newest, holdings: held, done, publicKey, servedBytes: count };
  }

  /** A getter that knows exactly the peers it is given. */
  async getter(
    providers: readonly Uint8Array[],
    { clock = systemClock, scope = this.scope }: PeerOptions = {},
  ): Promise<TestGetter> {
    const dht = await this.net.createNode();
    const peers = new Peers(clock, dht.defaultKeyPair.publicKey);
    const newest = new NewestRecord(scope, clock, undefined, () => undefined);
    const dialer = new Dialer(dht, { scope, clock, peers, newest });
    for (const key of providers) peers.add(key, []);
    this.onDestroy(() => dialer.destroy());
    const fetch = async (
      record: VerifiedRecord,
      options: Partial<FetchOptions> = {},
    ): Promise<Uint8Array> => {
      const out = new Uint8Array(record.record.lengthBytes);
      await fetchRelease(
        record,
        {
          checkRegion: (region) => void checkRegion(this.owner, region, record),
          missing: ({ count }) => Array.from({ length: count }, (_, index) => index),
          onPiece: ({ offset }, bytes) => out.set(bytes, offset),
          ...options,
        },
        { clock, dialer, peers, findPeers: () => Promise.resolve() },
      );
      return out;
    };
    return { dht, peers, newest, dialer, fetch };
  }

  /** A stranger's connection to a provider, on which anything can be said. */
  async rawClient(publicKey: Uint8Array, scope: SwarmScope = this.scope): Promise<RawClient> {
    const dht = await this.net.createNode();
    return openRawClient(dht, publicKey, dht.defaultKeyPair, scope);
  }
}

export interface PeerOptions {
  readonly clock?: Clock;
  readonly scope?: SwarmScope;
  /** What a provider tells of itself; default: nothing. */
  readonly status?: () => CopyStatus;
  /** Of a provider. */
  readonly uploadBytesPerS?: number;
}

export interface TestProvider {
  readonly dht: HyperDHT;
  readonly provider: Provider;
  readonly peers: Peers;
  readonly newest: NewestRecord;
  readonly holdings: Holdings;
  /** Keys of the clients that said they have all. */
  readonly done: string[];
  readonly publicKey: Uint8Array;
  servedBytes(): number;
}

export interface TestGetter {
  readonly dht: HyperDHT;
  readonly peers: Peers;
  readonly newest: NewestRecord;
  readonly dialer: Dialer;
  /** Resolves with the stream; `options` replaces what is given to fetchRelease. */
  fetch(record: VerifiedRecord, options?: Partial<FetchOptions>): Promise<Uint8Array>;
}

const WAIT_MS = 4_000;

/** Rejects instead of waiting for ever. */
export function within<T>(work: Promise<T>, what: string, waitMs: number = WAIT_MS): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`waited too long: ${what}`)), waitMs);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

/** Resolves when `holds` does, looking often. */
export async function until(
  holds: () => boolean,
  what: string,
  waitMs: number = WAIT_MS,
): Promise<void> {
  const startMs = performance.now();
  while (!holds()) {
    if (performance.now() - startMs > waitMs) throw new Error(`waited too long: ${what}`);
    await Bun.sleep(2);
  }
}

export class RawClient {
  readonly stream: SecretStream;
  readonly frames: ProviderMessage[] = [];
  readonly #scope: SwarmScope;
  readonly #closed = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(stream: SecretStream, scope: SwarmScope) {
    this.stream = stream;
    this.#scope = scope;
    stream.on("error", () => undefined);
    stream.on("data", (frame) => this.frames.push(decodeProviderMessage(frame)));
    stream.on("close", () => {
      this.#isClosed = true;
      this.#closed.resolve();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when the other side has dropped us. */
  get dropped(): Promise<void> {
    return within(this.#closed.promise, "to be dropped");
  }

  send(...messages: ClientMessage[]): void {
    for (const message of messages) this.stream.write(encodeClientMessage(message));
  }

  sendRaw(frame: Uint8Array): void {
    this.stream.write(frame);
  }

  /** The hello an honest client would send now, `skew` minutes off. */
  hello(skew = 0): ClientMessage {
    const auth = authOf(this.#scope.owner, unixMinute(Date.now()) + skew);
    const { handshakeHash } = this.stream;
    if (handshakeHash === null) throw new Error("no handshake");
    return { type: "hello", auth, binding: bindingOf("client", this.#scope, auth, handshakeHash) };
  }

  /** The next frame of this type, past or to come. */
  async answer<T extends ProviderMessage["type"]>(type: T): Promise<ProviderMessage & { type: T }> {
    const isWanted = (frame: ProviderMessage): frame is ProviderMessage & { type: T } =>
      frame.type === type;
    await until(() => this.frames.some(isWanted) || this.isClosed, type);
    const frame = this.frames.find(isWanted);
    if (frame === undefined) throw new Error(`dropped instead of ${type}`);
    return frame;
  }

  /** Says hello and waits for the welcome. */
  async enter(): Promise<this> {
    this.send(this.hello());
    await this.answer("welcome");
    return this;
  }
}

export async function openRawClient(
  dht: HyperDHT,
  publicKey: Uint8Array,
  keyPair: KeyPair,
  scope: SwarmScope,
): Promise<RawClient> {
  const stream = dht.connect(publicKey, { keyPair });
  const client = new RawClient(stream, scope);
  if (!(await within(stream.opened, "to connect"))) throw new Error("refused");
  return client;
}
