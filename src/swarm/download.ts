/**
 * Steps 3 and 4 (plan, fetch): one release from any number of providers, who may come and go. Everything
 * is checked when it arrives; who lies is closed and banned, and what it was asked for is asked elsewhere.
 */
import type { Clock } from "../core/clock.ts";
import { release, toHex } from "../core/bytes.ts";
import { CONNECTIONS_OUT_MAX } from "../core/limits.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import { chunksOf, piecesOf } from "../content/plan.ts";
import type { ChunkTable } from "../content/table.ts";
import { releaseFrame } from "./channel.ts";
import { SwarmError } from "./error.ts";
import type { FetchOptions } from "./fetch-options.ts";
import { Have } from "./have.ts";
import type { Holdings } from "./holdings.ts";
import type { Hope } from "./hope.ts";
import { asSwarmError, isBusy, isCancelled, judge } from "./judge.ts";
import { Learning } from "./learning.ts";
import { requestManifest, type Manifest } from "./manifest.ts";
import { Motion } from "./motion.ts";
import type { Supply } from "./demand.ts";
import type { Peers } from "./peers.ts";
import { PiecePool, type Ask } from "./piece-pool.ts";
import { Pipeline, type PipelineMark } from "./pipeline.ts";
import { Reuse, type OldContent } from "./reuse.ts";
import type { RemoteProvider } from "./remote-provider.ts";

/** What is known of a provider in use. */
interface Use {
  readonly pipeline: Pipeline;
  /** Pieces it was asked for or has delivered that are not yet written. */
  pieces: number;
}

/** Providers who cannot send differences are left alone while one who can has delivered this recently. */
const BETTER_IS_BUSY_MS = 1_000;
/** Of those who have a part only, while there is no manifest: the other places are for who has all. */
const PARTS_MAX = CONNECTIONS_OUT_MAX - 4;

/** Where others get what is here already. */
export type PartialPlace = Pick<Holdings, "setPartial" | "remember">;

export class Download {
  readonly #record: VerifiedRecord;
  readonly #options: FetchOptions;
  readonly #clock: Clock;
  readonly #peers: Peers;
  readonly #result = Promise.withResolvers<Manifest>();
  readonly #hope: Pick<Hope, "fed" | "crowded">;
  readonly #place: PartialPlace | undefined;
  /** Chunks that are written, when others may have them. */
  #have: Have | undefined;
  readonly #active = new Map<RemoteProvider, Use>();
  readonly #motion = new Motion<RemoteProvider>();
  #manifest: Manifest | undefined;
  readonly #learning: Learning;
  #pool: PiecePool<RemoteProvider> | undefined;
  #reuse: Reuse | undefined;
  #lastVerifiedMs = -Infinity;
  #lastPieceMs = -Infinity;
  #writing = 0;
  #fetchedBytes = 0;
  #wireBytes = 0;
  #reusedBytes = 0;
  #isOver = false;

  /** `hope` is told of signs of life. */
  constructor(
    record: VerifiedRecord,
    options: FetchOptions,
    clock: Clock,
    peers: Peers,
    hope: Pick<Hope, "fed" | "crowded">,
    place?: PartialPlace,
  ) {
    this.#place = place;
    this.#record = record;
    this.#options = options;
    this.#clock = clock;
    this.#peers = peers;
    this.#hope = hope;
    this.#result.promise.catch(() => undefined);
    this.#learning = new Learning(clock, {
      isOver: () => this.#manifest !== undefined || this.#isOver,
      isWhole: (provider) => this.#isWhole(provider),
      ask: async (provider) => {
        const { checkRegion, local } = options;
        await this.#start(await requestManifest(provider, record, checkRegion, local));
      },
    });
  }

  /** Rejects with what `onPiece` or `missing` threw, or with the reason given to `fail`. */
  get result(): Promise<Manifest> {
    return this.#result.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Uses a provider until it closes, has nothing for us, or the download is over; resolves then. The
   * connection is closed in each case.
   */
  async use(provider: RemoteProvider): Promise<void> {
    const id = toHex(provider.publicKey);
    this.#active.set(provider, { pipeline: new Pipeline(), pieces: 0 });
    this.#motion.begin(provider, this.#clock.monotonicMs());
    try {
      if (!this.#isWhole(provider)) {
        if (this.#isCrowdedByParts) throw nothing();
        this.#follow(provider);
      }
      await this.#learning.learn(provider);
      this.#fill(provider);
      this.#judge(id, await provider.closed);
    } catch (cause) {
      this.#judge(id, cause);
      provider.close(asSwarmError(cause));
    } finally {
      this.#active.delete(provider);
      this.#motion.end(provider);
      this.#learning.wake();
      this.tick();
    }
  }

  /**
   * Who has a part gives no manifest. A getter that comes late, or has lost the one who has all, would have its
   * places taken by others like itself, and wait until they are done.
   */
  get #isCrowdedByParts(): boolean {
    if (this.#manifest !== undefined) return false;
    const parts = [...this.#active.keys()].filter((provider) => !this.#isWhole(provider));
    return parts.length > PARTS_MAX;
  }

  #isWhole(provider: RemoteProvider): boolean {
    return provider.hasRoot(this.#record.record.root);
  }

  /** It may be fetching the same as we: then it tells what it has, now and as it grows. */
  #follow(provider: RemoteProvider): void {
    provider.follow(this.#record.record.root, (have) => {
      if (have.isEmpty) return provider.close(nothing());
      // It gets it from somebody.
      this.#hope.crowded();
      this.#fill(provider);
    });
  }

  /** Gives idle providers something to do, the fastest first. To be called several times a second. */
  tick(): void {
    this.#motion.look(this.#clock.monotonicMs());
    const rateOf = ([, { pipeline }]: [RemoteProvider, Use]): number => pipeline.bytesPerMs;
    const fastest = [...this.#active].sort((a, b) => rateOf(b) - rateOf(a));
    for (const [provider] of fastest) this.#fill(provider);
    this.#learning.wake();
  }

  /** How it is supplied. */
  get supply(): Supply {
    const reuse = this.#reuse;
    return {
      lastVerifiedMs: this.#lastVerifiedMs,
      fetchedBytes: this.#fetchedBytes,
      wantedBytes: this.#record.record.lengthBytes - this.#reusedBytes,
      wireBytes: this.#wireBytes,
      isCoarse:
        reuse?.isLocal === true && ![...this.#active.keys()].some((one) => reuse.canDiffer(one)),
    };
  }

  /** Closes the provider that stands out as slow, if there is one; others wait for its place. */
  dropSlowest(): boolean {
    const slowest = this.#motion.slowest(this.#clock.monotonicMs());
    slowest?.close(
      new SwarmError("TIMEOUT", "the provider was dropped: slower than the others", {
        blame: "peer",
      }),
    );
    return slowest !== undefined;
  }

  /** Ends the download; every provider is closed. */
  fail(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#place?.setPartial(undefined);
    this.#result.reject(reason);
    for (const provider of this.#active.keys()) provider.close(asSwarmError(reason));
    this.#learning.wake();
  }

  #judge(id: string, cause: unknown): void {
    if (this.#isOver) return;
    if (isBusy(cause)) this.#hope.crowded();
    judge(this.#peers, id, cause);
  }

  async #start(manifest: Manifest): Promise<void> {
    if (this.#manifest !== undefined || this.#isOver) return;
    this.#manifest = manifest;
    this.#verified();
    try {
      const { table } = manifest;
      const indexes = await this.#options.missing(table);
      if (this.#isOver) return;
      this.#offerPart(table);
      const missingBytes = indexes.reduce((sum, i) => sum + table.rangeOf(i).sizeBytes, 0);
      this.#reusedBytes = table.lengthBytes - missingBytes;
      const reuse = new Reuse(table, this.#options.local, missingBytes);
      this.#reuse = reuse;
      const pieces = piecesOf(table, indexes, reuse.pieceBytes);
      this.#pool = new PiecePool(pieces, {
        copiesOf: (chunk) => this.#copiesOf(chunk),
        sizeOf: ({ first, count }) => table.rangeOf(first, count).sizeBytes,
      });
    } catch (cause) {
      return this.fail(cause);
    }
    this.#report();
    this.#finishIfDone();
    this.tick();
  }

  #verified(): void {
    this.#lastVerifiedMs = this.#clock.monotonicMs();
    this.#hope.fed();
  }

  #fill(provider: RemoteProvider): void {
    const [pool, reuse, use] = [this.#pool, this.#reuse, this.#active.get(provider)];
    if (pool === undefined || reuse === undefined || use === undefined || this.#isOver) return;
    while (provider.room > 0 && use.pieces < use.pipeline.window) {
      const nowMs = this.#clock.monotonicMs();
      if (this.#isBetterBusy(provider, reuse, nowMs)) return;
      const isWhole = this.#isWhole(provider);
      const has = (chunk: number): boolean => isWhole || provider.hasChunk(chunk);
      const offer = { has, maxBytes: reuse.maxBytes(provider) };
      const piece = pool.next(provider, nowMs, offer);
      if (piece === undefined) return;
      const { root } = this.#record.record;
      const old = reuse.oldFor(provider, piece);
      const { first, count } = piece;
      const { base, sketch } = old;
      const { id, bytes } = provider.request({ type: "piece", root, first, count, base, sketch });
      const ask = { piece, who: provider, id, askedMs: nowMs };
      pool.asked(ask);
      use.pieces++;
      void this.#take(ask, old, bytes, use);
    }
  }

  /** Among those we are connected to. */
  #copiesOf(chunk: number): number {
    let copies = 0;
    for (const provider of this.#active.keys()) {
      if (this.#isWhole(provider) || provider.hasChunk(chunk)) copies++;
    }
    return copies;
  }

  #offerPart(table: ChunkTable): void {
    const written = this.#options.written?.();
    if (written === undefined || this.#place === undefined) return;
    const have = new Have(table.count);
    for (const chunk of written.chunks) have.add(chunk);
    this.#have = have;
    const { stream, keepCoded } = written;
    this.#place.setPartial({ table, stream, have, keepCoded });
  }

  /** Differences are so much smaller than anything else that it pays to wait for whoever can make them. */
  #isBetterBusy(provider: RemoteProvider, reuse: Reuse, nowMs: number): boolean {
    if (reuse.canDiffer(provider) || nowMs - this.#lastPieceMs >= BETTER_IS_BUSY_MS) return false;
    return [...this.#active.keys()].some((other) => reuse.canDiffer(other));
  }

  /** One piece from request to written; never rejects. */
  async #take(
    ask: Ask<RemoteProvider>,
    old: OldContent,
    answer: Promise<Uint8Array>,
    use: Use,
  ): Promise<void> {
    const { who: provider, piece } = ask;
    const mark = use.pipeline.mark(ask.askedMs);
    try {
      await this.#keep(ask, old, await answer, use, mark);
    } catch (cause) {
      this.#pool?.failed(ask);
      // Cancelled, because another was faster: the provider has done nothing wrong.
      if (!isCancelled(cause)) provider.close(asSwarmError(cause, piece.first));
    }
    use.pieces--;
    this.#fill(provider);
  }

  async #keep(
    ask: Ask<RemoteProvider>,
    old: OldContent,
    coded: Uint8Array,
    { pipeline }: Use,
    mark: PipelineMark,
  ): Promise<void> {
    const { who: provider, piece } = ask;
    const [pool, reuse] = [this.#pool, this.#reuse];
    if (this.#isOver || pool === undefined || reuse === undefined) return;
    const cameMs = this.#clock.monotonicMs();
    this.#wireBytes += coded.length;
    const inflating = reuse.inflate(piece, coded);
    // What needs no other thread goes on in this turn.
    const inflated = inflating && (await inflating);
    if (this.#isOver) return;
    const bytes = reuse.decode(provider, piece, coded, old, inflated);
    if (bytes === "too-large") return pool.split(ask);
    if (bytes === "our-fault") return pool.failed(ask);
    pipeline.delivered(mark, coded.length, cameMs);
    const others = pool.done(ask);
    if (others === undefined) return;
    for (const other of others) other.who.cancel(other.id);
    this.#peers.served(toHex(provider.publicKey));
    this.#lastPieceMs = this.#clock.monotonicMs();
    this.#verified();
    this.#writing++;
    const sizeBytes = bytes.length;
    try {
      const { offset } = reuse.rangeOf(piece);
      const writing = this.#options.onPiece({ ...piece, offset }, bytes);
      // Who writes at once is not waited for: else what else has come in this turn of the event loop would be
      // verified before this piece is written, and a kill between the two would cost all of it.
      if (writing !== undefined) await writing;
    } catch (cause) {
      return this.fail(cause);
    } finally {
      this.#writing--;
    }
    for (const chunk of chunksOf(piece)) this.#have?.add(chunk);
    // What was made of a sketch is of use to nobody else.
    if (this.#have !== undefined && old.sketch.length === 0) {
      this.#place?.remember(old.base, this.#record.record.root, piece, coded);
    }
    this.#fetchedBytes += sizeBytes;
    release(bytes);
    releaseFrame(coded);
    this.#report();
    this.#finishIfDone();
  }

  #report(): void {
    this.#options.onProgress?.({
      fetchedBytes: this.#fetchedBytes,
      wireBytes: this.#wireBytes,
      reusedBytes: this.#reusedBytes,
      totalBytes: this.#record.record.lengthBytes,
      providers: this.#active.size,
    });
  }

  #finishIfDone(): void {
    if (this.#isOver || this.#pool?.left !== 0 || this.#writing > 0) return;
    if (this.#manifest === undefined) return;
    this.#isOver = true;
    this.#place?.setPartial(undefined);
    for (const provider of this.#active.keys()) {
      provider.tellDone(this.#record.record.root);
      provider.finish();
    }
    this.#learning.wake();
    this.#result.resolve(this.#manifest);
  }
}

function nothing(): SwarmError {
  return new SwarmError("NOT_HELD", "the provider has nothing of it", { blame: "peer" });
}
