/** Real executables, real processes, a real DHT on loopback; everything is gone after `destroy`. */
import { constants, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SecretSeed } from "../../src/core/brand.ts";
import { systemClock, unixMinute } from "../../src/core/clock.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import type { VerifiedRecord } from "../../src/core/release-record.ts";
import { memorySource } from "../../src/core/source.ts";
import { canonicalStream } from "../../src/exe/canonical.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { withFile } from "../../src/fs/file-source.ts";
import type { Settings } from "../../src/release/settings.ts";
import { Holdings, type Holding } from "../../src/swarm/holdings.ts";
import { NewestRecord } from "../../src/swarm/newest-record.ts";
import { Peers } from "../../src/swarm/peers.ts";
import { Provider } from "../../src/swarm/provider.ts";
import type { SwarmScope } from "../../src/swarm/scope.ts";
import { topicOf } from "../../src/swarm/topic.ts";
import { AppProcess, type AppOptions } from "./app-process.ts";
import { createLoopbackDht, type LoopbackDht } from "./dht.ts";
import { e2eApp } from "./e2e-app.ts";
import { compileFixture } from "./executable.ts";

export interface E2eRelease {
  readonly version: string;
  /** The app's own line; two releases with the same one differ in nothing but the region. */
  readonly build?: string;
  /** In place of the app of e2e-app.ts. */
  readonly source?: string;
  /** In place of embed/worker.ts, from the root of the checkout. */
  readonly worker?: string;
  readonly settings?: Settings;
  readonly publishedS?: number;
}

const NAME = { app: "fixture", channel: "stable" };

/** Five days ago: a past that no clock disagrees about, and not so long ago that it looks like a freeze. */
export const RELEASES_START_S: number = Math.floor(Date.now() / 1000) - 5 * 86_400;

/** Dates that grow with the version. */
function dateOf(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return RELEASES_START_S + major * 10_000 + minor * 100 + patch;
}

/** Signing reads 110 MB several times, so a test file signs each release once and copies it. */
export class E2eReleases {
  readonly seed: SecretSeed = generateSeed();
  readonly #directory: string = mkdtempSync(join(tmpdir(), "rustpatcher-releases-"));
  readonly #signed = new Map<string, Promise<string>>();

  /** The signed executable itself: not to be written to. */
  get(release: E2eRelease): Promise<string> {
    const { version, build = "one", worker, settings = {}, publishedS = dateOf(version) } = release;
    const source = release.source ?? e2eApp(build);
    const key = JSON.stringify([version, source, worker, settings, publishedS]);
    const signed =
      this.#signed.get(key) ??
      compileFixture({
        directory: this.#directory,
        name: `release-${this.#signed.size}`,
        version,
        seed: this.seed,
        source,
        worker,
        settings,
        publishedS,
      });
    this.#signed.set(key, signed);
    return signed;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

interface Place {
  readonly directory: string;
  readonly net: LoopbackDht;
}

export class E2eWorld {
  readonly #releases: E2eReleases;
  readonly #apps: AppProcess[] = [];
  readonly #cleanups: (() => unknown)[] = [];
  #place: Place | undefined;
  #directories = 0;

  /** Nothing is there before it is opened, and nothing after it is destroyed; then it can be opened again. */
  constructor(releases: E2eReleases) {
    this.#releases = releases;
  }

  /** `host`: of the DHT nodes and of providers, when it is not loopback. */
  static async create(releases: E2eReleases, host?: string): Promise<E2eWorld> {
    const world = new E2eWorld(releases);
    await world.open(host);
    return world;
  }

  async open(host?: string): Promise<void> {
    const net = await createLoopbackDht(3, host === undefined ? {} : { host });
    this.#place = { net, directory: mkdtempSync(join(tmpdir(), "rustpatcher-e2e-")) };
  }

  get net(): LoopbackDht {
    return this.#here.net;
  }

  get directory(): string {
    return this.#here.directory;
  }

  get #here(): Place {
    if (this.#place === undefined) throw new Error("the world is not open");
    return this.#place;
  }

  get seed(): SecretSeed {
    return this.#releases.seed;
  }

  async destroy(): Promise<void> {
    const { net, directory } = this.#here;
    await Promise.all(this.#apps.splice(0).map((app) => app.kill()));
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
    await net.destroy();
    rmSync(directory, { recursive: true, force: true });
    this.#place = undefined;
  }

  /** Before the network and the files are gone; the last one first. */
  onDestroy(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  /** A new directory, as safe as an installation needs. */
  folder(name = `copy-${++this.#directories}`): string {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    return path;
  }

  /** A signed executable in a directory of its own. */
  async release(release: E2eRelease): Promise<string> {
    return this.copy(await this.#releases.get(release));
  }

  /** Another installation of the same executable; returns its path. */
  copy(path: string, directory: string = this.folder(), name = "app"): string {
    const to = join(directory, name);
    copyFileSync(path, to, constants.COPYFILE_FICLONE);
    return to;
  }

  /** Starts it and waits until it runs. */
  async run(path: string, { env = {}, ...options }: AppOptions = {}): Promise<AppProcess> {
    const bootstrap = this.net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(",");
    const app = new AppProcess(path, {
      ...options,
      env: {
        RUSTPATCHER_BOOTSTRAP: bootstrap,
        RUSTPATCHER_INTERVAL: "1",
        RUSTPATCHER_LOG: "info",
        ...env,
      },
    });
    this.#apps.push(app);
    await app.event("start");
    return app;
  }

  /** What a copy of this executable would give to others. */
  holding(path: string): Holding {
    return withFile(path, (source) => {
      const verified = verifyExecutable(source);
      if (verified.kind !== "full") throw new Error("not a full executable");
      const { record, region, table, offset } = verified;
      const stream = canonicalStream(source, offset);
      return {
        record,
        region,
        table,
        stream: memorySource(stream.read(0, stream.sizeBytes).slice()),
      };
    });
  }

  /** Claims `record` and serves `holding`, be they true or not; announced like a copy. */
  async provider(
    record: VerifiedRecord,
    holding?: Holding,
    uploadBytesPerS: number = Infinity,
  ): Promise<Provider> {
    // Where an honest copy of these executables looks, whatever the record is for.
    const scope: SwarmScope = {
      owner: publicKeyOf(this.seed),
      name: { ...NAME, target: `linux-${process.arch}` },
      sharedSecret: undefined,
    };
    const dht = await this.net.createNode();
    const peers = new Peers(systemClock, dht.defaultKeyPair.publicKey);
    const newest = new NewestRecord(scope, systemClock, record, () => undefined);
    const holdings = new Holdings(systemClock);
    if (holding !== undefined) holdings.add(holding);
    const provider = new Provider({
      scope,
      clock: systemClock,
      peers,
      newest,
      holdings,
      onDone: () => undefined,
      uploadBytesPerS,
    });
    await provider.listen(dht);
    this.onDestroy(() => provider.destroy());
    const minute = unixMinute(systemClock.nowMs());
    const addresses = provider.relayAddresses;
    // A minute ahead as well, so that the test can last over the turn of one.
    for (const slot of [minute, minute + 1]) {
      await dht.announce(topicOf(scope, slot), dht.defaultKeyPair, addresses).finished();
    }
    return provider;
  }
}
