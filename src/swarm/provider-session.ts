/** One client of ours: from the accepted connection to its close. */
import type { SecretStream } from "@hyperswarm/dht";
import { equal, release, totalLength } from "../core/bytes.ts";
import { unixMinute, type Clock } from "../core/clock.ts";
import {
  AUTH_TIMEOUT_MS,
  ERROR_ANSWERS_MAX,
  IDLE_TIMEOUT_MS,
  PROGRESS_WINDOW_MS,
  REQUESTS_IN_FLIGHT_MAX,
} from "../core/limits.ts";
import type { ContentRoot } from "../core/brand.ts";
import { padPiece } from "../content/piece.ts";
import { bindingOf, isAuthCurrent } from "./auth.ts";
import { Channel } from "./channel.ts";
import { encodeStatus, type CopyStatus } from "./copy-status.ts";
import { Deadline } from "./deadline.ts";
import { SwarmError, violation } from "./error.ts";
import { Follower } from "./follower.ts";
import { partyOf } from "./host-counts.ts";
import type { Holdings } from "./holdings.ts";
import { decodeClientMessage } from "./decode-messages.ts";
import { encodeAnswerHead, encodeProviderMessage } from "./encode-messages.ts";
import {
  isContentRequest,
  type ClientMessage,
  type ErrorReason,
  type Request,
} from "./messages.ts";
import type { ClaimedRecord, NewestRecord } from "./newest-record.ts";
import type { SwarmScope } from "./scope.ts";
import type { Upload, UploadPlace } from "./upload.ts";

export interface ProviderContext {
  readonly scope: SwarmScope;
  readonly clock: Clock;
  readonly holdings: Holdings;
  readonly newest: NewestRecord;
  /** Shared by all sessions. */
  readonly upload: Upload;
  /** A client says that it has all of a root now: a claim, good for counting and for nothing else. */
  readonly onDone?: (client: Uint8Array, root: ContentRoot) => void;
  /** Bytes of answers sent. */
  readonly onServed?: (sizeBytes: number) => void;
  /** Takes keys of peers from a client and tells others: 32 bytes each. Absent: none are known. */
  readonly exchangePeers?: (theirs: Uint8Array, client: Uint8Array) => Uint8Array;
  /** What may be told of us to whoever belongs here. Absent: nothing. */
  readonly status?: () => CopyStatus;
}

type Pending = Request & { isCancelled?: boolean };

export class ProviderSession {
  /** Whose connection it is: host-counts.ts. */
  readonly party: string;
  readonly #stream: SecretStream;
  readonly #context: ProviderContext;
  readonly #channel: Channel;
  readonly #onClose: (reason: SwarmError) => void;
  /** Before the welcome: for the hello. Afterwards: for something to do. */
  readonly #deadline: Deadline;
  readonly #place: UploadPlace;
  /** A client that does not take what it asked for is as bad as a provider that does not send. */
  readonly #drain: Deadline;
  #state: "hello" | "open" | "denied" = "hello";
  #hasRecord = false;
  /** In the order of their arrival; the first is the next to be answered. */
  readonly #queue: Pending[] = [];
  /** Resolves when the client has taken what was sent to it; undefined while it has. */
  #blocked: PromiseWithResolvers<void> | undefined;
  #isServing = false;
  /** When it last asked for something or got it; monotonic. */
  #activeMs: number;
  #requests = 0;
  /** Messages that ask for nothing. */
  #notes = 0;
  #errors = 0;
  #follower: Follower | undefined;
  #hasExchangedPeers = false;

  /** Owns the stream from here on. `onClose` is called once. */
  constructor(
    stream: SecretStream,
    context: ProviderContext,
    onClose: (reason: SwarmError) => void,
  ) {
    this.#stream = stream;
    this.#context = context;
    this.#onClose = onClose;
    const { clock, upload } = context;
    this.#activeMs = clock.monotonicMs();
    this.party = partyOf(stream.rawStream);
    this.#place = upload.join(this.party);
    this.#deadline = new Deadline(clock, () => this.#expire());
    this.#drain = new Deadline(clock, () => this.close(timeout("it does not take its answers")));
    this.#channel = new Channel(stream, {
      onFrame: (frame) => this.#receive(decodeClientMessage(frame)),
      onDrain: () => this.#resume(),
      onClose: (reason) => this.#closed(reason),
    });
    this.#deadline.set(AUTH_TIMEOUT_MS);
  }

  /** Its key. */
  get client(): Uint8Array {
    return this.#stream.remotePublicKey;
  }

  /** Has it proved that it belongs here? */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** For how long it has asked for nothing; 0 while it waits for an answer. */
  get idleMs(): number {
    return this.#queue.length > 0 ? 0 : this.#context.clock.monotonicMs() - this.#activeMs;
  }

  /** Bytes that its party has had more than that other one; 0 while it has not been here for long. */
  lead(other: string): number {
    return this.#place.lead(other);
  }

  close(reason: SwarmError): void {
    this.#channel.close(reason);
  }

  #closed(reason: SwarmError): void {
    this.#deadline.clear();
    this.#drain.clear();
    this.#place.leave();
    this.#follower?.stop();
    this.#blocked?.resolve();
    this.#queue.length = 0;
    this.#onClose(reason);
  }

  #expire(): void {
    this.close(timeout(this.#state === "hello" ? "no hello" : "idle"));
  }

  #receive(message: ClientMessage): void {
    if (this.#state === "hello") return this.#hello(message);
    if (this.#state === "denied") throw violation("a message after it was denied");
    this.#deadline.set(IDLE_TIMEOUT_MS);
    switch (message.type) {
      case "hello":
        throw violation("a second hello");
      case "record":
        return this.#record(message.record);
      case "cancel":
        return this.#cancel(message.id);
      case "done":
        this.#note();
        return this.#context.onDone?.(this.#stream.remotePublicKey, message.root);
      case "follow":
        return this.#follow(message.root);
      case "peers":
        if (this.#hasExchangedPeers) throw violation("peers were exchanged before");
        this.#hasExchangedPeers = true;
        return this.#request(message);
      case "region":
      case "table":
      case "piece":
      case "status":
        return this.#request(message);
    }
  }

  /** Once: whoever wants to know of another release comes again. */
  #follow(root: ContentRoot): void {
    if (this.#follower !== undefined) throw violation("it follows something already");
    const { clock, holdings } = this.#context;
    this.#follower = new Follower(
      clock,
      holdings,
      root,
      (have) => void this.#channel.send(encodeProviderMessage(have)),
      () => this.#blocked === undefined,
    );
  }

  #hello(message: ClientMessage): void {
    if (message.type !== "hello") throw violation("a message before the hello");
    const { scope, clock, newest, holdings } = this.#context;
    const minute = unixMinute(clock.nowMs());
    if (!isAuthCurrent(scope.owner, message.auth, minute)) {
      // Our minute, so that a client with a wrong clock can come again. The same deadline goes on.
      this.#state = "denied";
      this.#channel.send(encodeProviderMessage({ type: "denied", minute }));
      void this.#channel.finish();
      return;
    }
    const { handshakeHash } = this.#stream;
    if (handshakeHash === null) throw violation("a message before the handshake");
    if (!equal(bindingOf("client", scope, message.auth, handshakeHash), message.binding)) {
      throw new SwarmError("AUTH_INVALID", "the client could not prove that it belongs here", {
        blame: "peer",
      });
    }
    this.#state = "open";
    this.#channel.raiseFrameLimit();
    this.#deadline.set(IDLE_TIMEOUT_MS);
    // Only now does it learn which version we know.
    const binding = bindingOf("provider", scope, message.auth, handshakeHash);
    const { roots } = holdings;
    const record = newest.current;
    this.#channel.send(encodeProviderMessage({ type: "welcome", binding, record, roots }));
  }

  #record(record: ClaimedRecord): void {
    if (this.#hasRecord) throw violation("a second record");
    this.#hasRecord = true;
    if (this.#context.newest.offer(record) === "refused") throw violation("a forged record");
  }

  #request(request: Request): void {
    this.#requests++;
    if (this.#queue.length >= REQUESTS_IN_FLIGHT_MAX) throw violation("too many requests at once");
    if (this.#queue.some(({ id }) => id === request.id)) throw violation("a request id used twice");
    this.#queue.push(request);
    this.#activeMs = this.#context.clock.monotonicMs();
    this.#serve();
  }

  /** One more than requests: who got everything elsewhere says that it is done all the same. */
  #note(): void {
    if (++this.#notes > this.#requests + 1) throw violation("more remarks than requests");
  }

  /** It may cross the answer on the wire, so an unknown id is no offence. */
  #cancel(id: number): void {
    this.#note();
    const request = this.#queue.find((pending) => pending.id === id);
    if (request !== undefined) request.isCancelled = true;
  }

  /**
   * An answer is made when the one before has left for the transport, which sends it meanwhile: one made ahead for each of
   * many clients would take memory and no less time.
   */
  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    this.#serveQueue().catch((cause: unknown) =>
      this.close(cause instanceof SwarmError ? cause : violation("a request", cause)),
    );
  }

  async #serveQueue(): Promise<void> {
    try {
      while (!this.#channel.isClosed) {
        const [request] = this.#queue;
        if (request === undefined) return;
        if (isContentRequest(request) && !this.#place.take()) {
          this.#queue.shift();
          this.#refuse(request.id, "busy");
          continue;
        }
        const done = await this.#place.turn();
        let sizeBytes = 0;
        try {
          await this.#blocked?.promise;
          const answer = await this.#answer(request);
          if (this.#channel.isClosed) return;
          this.#queue.shift();
          sizeBytes = this.#send(request, answer);
        } finally {
          done(sizeBytes);
        }
      }
    } finally {
      // In the same turn as the last look at the queue: a request that comes next starts it again.
      this.#isServing = false;
    }
  }

  /** Returns the bytes that were sent. */
  #send({ type, id }: Request, made: Uint8Array | ErrorReason): number {
    if (typeof made === "string") {
      this.#refuse(id, made);
      return 0;
    }
    let head = encodeAnswerHead(type, id, made.length);
    const answer = type === "piece" ? padPiece(made, head.length) : [made];
    const sizeBytes = totalLength(answer);
    if (answer.length > 1) head = encodeAnswerHead(type, id, sizeBytes);
    const hasRoom = this.#channel.sendParts(head, ...answer);
    release(made);
    this.#context.onServed?.(sizeBytes);
    // Who has to wait for its turn is not idle.
    this.#activeMs = this.#context.clock.monotonicMs();
    this.#deadline.set(IDLE_TIMEOUT_MS);
    if (!hasRoom) {
      this.#blocked = Promise.withResolvers();
      this.#drain.set(PROGRESS_WINDOW_MS);
    }
    return sizeBytes;
  }

  /** It may be cancelled before it is its turn; afterwards the work is done and can as well be sent. */
  async #answer(request: Pending): Promise<Uint8Array | ErrorReason> {
    if (request.isCancelled === true) return "cancelled";
    const { holdings, status, exchangePeers } = this.#context;
    if (isContentRequest(request)) return holdings.answer(request);
    if (request.type === "peers") {
      return exchangePeers?.(request.keys, this.client) ?? new Uint8Array(0);
    }
    return status === undefined ? "unavailable" : encodeStatus(status());
  }

  #refuse(id: number, reason: ErrorReason): void {
    if (reason !== "cancelled" && ++this.#errors > ERROR_ANSWERS_MAX) {
      throw violation("too many requests for what is not there");
    }
    this.#channel.send(encodeProviderMessage({ type: "error", id, reason }));
  }

  #resume(): void {
    this.#drain.clear();
    this.#deadline.set(IDLE_TIMEOUT_MS);
    this.#blocked?.resolve();
    this.#blocked = undefined;
  }
}

function timeout(what: string): SwarmError {
  return new SwarmError("TIMEOUT", `the client was dropped: ${what}`, { blame: "peer" });
}
