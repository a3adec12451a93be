/** One provider as the getter sees it: welcome, then requests answered in order. */
import type { SecretStream } from "@hyperswarm/dht";
import type { ContentRoot } from "../core/brand.ts";
import { equal, toHex } from "../core/bytes.ts";
import { unixMinute, type Clock } from "../core/clock.ts";
import { AUTH_TIMEOUT_MS, REQUESTS_IN_FLIGHT_MAX, UINT_MAX } from "../core/limits.ts";
import { authOf, bindingOf } from "./auth.ts";
import { Channel } from "./channel.ts";
import { Deadline } from "./deadline.ts";
import { SwarmError, violation } from "./error.ts";
import { Have } from "./have.ts";
import { decodeProviderMessage } from "./decode-messages.ts";
import { encodeClientMessage } from "./encode-messages.ts";
import type { ProviderMessage, Request } from "./messages.ts";
import type { ClaimedRecord } from "./newest-record.ts";
import { Progress } from "./progress.ts";
import type { SwarmScope } from "./scope.ts";

/** A request without its id. */
export type Wanted =
  | Omit<Extract<Request, { type: "region" }>, "id">
  | Omit<Extract<Request, { type: "table" }>, "id">
  | Omit<Extract<Request, { type: "piece" }>, "id">
  | Omit<Extract<Request, { type: "peers" }>, "id">
  | Omit<Extract<Request, { type: "status" }>, "id">;

interface Outstanding {
  readonly id: number;
  readonly type: Request["type"];
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (reason: SwarmError) => void;
}

/**
 * A provider tells once a second what has come to it; more of it is a flood. A path that is dead for a minute, which a
 * connection survives, brings all of that minute at once.
 */
const HAVES_PER_S = 4;
const HAVE_BURST = 96;
/** For the last words to be taken. */
const FINISH_TIMEOUT_MS = 2_000;

export interface GetterContext {
  readonly scope: SwarmScope;
  readonly clock: Clock;
  /** Minutes to add to our clock, when a provider denied us and told its own. */
  readonly minuteOffset?: number;
}

export class RemoteProvider {
  /** Its key for this run of it. */
  readonly publicKey: Uint8Array;
  readonly #stream: SecretStream;
  readonly #scope: SwarmScope;
  readonly #handshakeHash: Uint8Array;
  readonly #auth: Uint8Array;
  readonly #channel: Channel;
  readonly #deadline: Deadline;
  readonly #progress: Progress;
  readonly #outstanding: Outstanding[] = [];
  readonly #opened = Promise.withResolvers<ClaimedRecord | undefined>();
  readonly #closed = Promise.withResolvers<SwarmError>();
  /** Roots of what it says it has. */
  readonly #roots = new Set<string>();
  readonly #clock: Clock;
  #followed: ContentRoot | undefined;
  #onHave: ((have: Have) => void) | undefined;
  readonly #have = new Have();
  #haveTokens = HAVE_BURST;
  #haveMs: number;
  #isOpen = false;
  #isFinishing = false;
  #nextId = 0;
  /** Bytes of answers received. */
  receivedBytes = 0;

  /** Owns the stream, whose handshake is done, and says hello on it. */
  constructor(stream: SecretStream, { scope, clock, minuteOffset = 0 }: GetterContext) {
    if (stream.handshakeHash === null) throw violation("no handshake");
    this.publicKey = stream.remotePublicKey;
    this.#clock = clock;
    this.#haveMs = clock.monotonicMs();
    this.#stream = stream;
    this.#scope = scope;
    this.#handshakeHash = stream.handshakeHash;
    // Whether anybody awaits these or not, a lost connection is not an unhandled error.
    this.#opened.promise.catch(() => undefined);
    this.#deadline = new Deadline(clock, () =>
      this.close(timeout(this.#isOpen ? "our last words did not arrive" : "no welcome")),
    );
    this.#progress = new Progress(clock, (what) => this.close(timeout(what)));
    this.#channel = new Channel(stream, {
      onFrame: (frame) => this.#receive(decodeProviderMessage(frame)),
      onFrameStart: () => this.#progress.advance(0),
      onClose: (reason) => this.#lost(reason),
    });
    this.#channel.raiseFrameLimit();
    this.#auth = authOf(scope.owner, unixMinute(clock.nowMs()) + minuteOffset);
    const binding = bindingOf("client", scope, this.#auth, this.#handshakeHash);
    this.#deadline.set(AUTH_TIMEOUT_MS);
    this.#channel.send(encodeClientMessage({ type: "hello", auth: this.#auth, binding }));
  }

  /**
   * The record it knows, of which nothing is verified, once it has let us in.
   * Rejects with a SwarmError: AUTH_DENIED, AUTH_INVALID, TIMEOUT, PROTOCOL, CLOSED.
   */
  get welcomed(): Promise<ClaimedRecord | undefined> {
    return this.#opened.promise;
  }

  /** Resolves with the reason when the connection is over; never rejects. */
  get closed(): Promise<SwarmError> {
    return this.#closed.promise;
  }

  get isClosed(): boolean {
    return this.#channel.isClosed;
  }

  /** Hexadecimal; of what it says it has, what it runs first. */
  get roots(): readonly string[] {
    return [...this.#roots];
  }

  /** All that has come from it, whole messages or not. */
  get socketBytes(): number {
    return this.#stream.rawStream.bytesReceived;
  }

  /** Does it say that it has this? A claim: what comes of it is checked. */
  hasRoot(root: ContentRoot): boolean {
    return this.#roots.has(toHex(root));
  }

  /** How many requests may be added. */
  get room(): number {
    return this.#isOpen && !this.isClosed ? REQUESTS_IN_FLIGHT_MAX - this.#outstanding.length : 0;
  }

  /** Tells it the newest record we know. At most once. */
  tellRecord(record: ClaimedRecord): void {
    this.#channel.send(encodeClientMessage({ type: "record", record }));
  }

  /** Asks what it has of a root that it does not have all of; `onHave` is called with each answer. */
  follow(root: ContentRoot, onHave: (have: Have) => void): void {
    this.#followed = root;
    this.#onHave = onHave;
    this.#channel.send(encodeClientMessage({ type: "follow", root }));
  }

  /** Does it say that it has this chunk of the root that we follow? */
  hasChunk(chunk: number): boolean {
    return this.#have.has(chunk);
  }

  /** Tells it that we have all of a root now. */
  tellDone(root: ContentRoot): void {
    this.#channel.send(encodeClientMessage({ type: "done", root }));
  }

  /**
   * Bytes as asked for, of which nothing is verified. The id is for `cancel`. Rejects with NOT_HELD, or
   * with the reason of the close.
   */
  request(wanted: Wanted): { readonly id: number; readonly bytes: Promise<Uint8Array> } {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const id = this.#nextId;
    this.#nextId = id === UINT_MAX ? 0 : id + 1;
    this.#outstanding.push({ id, type: wanted.type, resolve, reject });
    this.#progress.begin();
    this.#channel.send(encodeClientMessage({ ...wanted, id }));
    return { id, bytes: promise };
  }

  /** The answer is no longer needed; it may come all the same. */
  cancel(id: number): void {
    this.#channel.send(encodeClientMessage({ type: "cancel", id }));
  }

  /** Is it closing by itself, once our last words have arrived? */
  get isFinishing(): boolean {
    return this.#isFinishing;
  }

  /** Closes when what was sent has arrived, or soon. */
  finish(): void {
    this.#isFinishing = true;
    this.#deadline.set(FINISH_TIMEOUT_MS);
    void this.#channel.finish();
  }

  close(reason: SwarmError): void {
    this.#channel.close(reason);
  }

  #lost(reason: SwarmError): void {
    this.#deadline.clear();
    this.#progress.end();
    this.#opened.reject(reason);
    for (const { reject } of this.#outstanding.splice(0)) reject(reason);
    this.#closed.resolve(reason);
  }

  #receive(message: ProviderMessage): void {
    switch (message.type) {
      case "denied":
        if (this.#isOpen) throw violation("denied after the welcome");
        throw new SwarmError("AUTH_DENIED", "the provider denied our hello; check the clock", {
          blame: "peer",
          minute: message.minute,
        });
      case "welcome":
        return this.#welcome(message);
      case "have":
        return this.#haves(message);
      case "error":
        return this.#take(message.id, undefined).reject(
          new SwarmError(
            message.reason === "busy" ? "BUSY" : "NOT_HELD",
            `the provider does not give it: ${message.reason}`,
            {
              blame: "peer",
              reason: message.reason,
            },
          ),
        );
      case "region":
      case "table":
      case "piece":
      case "peers":
      case "status": {
        const { resolve } = this.#take(message.id, message.type);
        this.receivedBytes += message.bytes.length;
        this.#progress.advance(message.bytes.length);
        if (this.#outstanding.length === 0) this.#progress.end();
        return resolve(message.bytes);
      }
    }
  }

  /** Only of what we follow, and not so often that it costs anything. */
  #haves({ root, first, bits }: Extract<ProviderMessage, { type: "have" }>): void {
    if (this.#followed === undefined || !equal(root, this.#followed)) {
      throw violation("told of what nobody has asked for");
    }
    const nowMs = this.#clock.monotonicMs();
    this.#haveTokens = Math.min(
      HAVE_BURST,
      this.#haveTokens + ((nowMs - this.#haveMs) / 1_000) * HAVES_PER_S,
    );
    this.#haveMs = nowMs;
    if (--this.#haveTokens < 0) throw violation("told of what it has too often");
    if (first % 8 !== 0) throw violation("a chunk in the middle of a byte");
    this.#have.merge({ first, bits });
    this.#onHave?.(this.#have);
  }

  #welcome(message: Extract<ProviderMessage, { type: "welcome" }>): void {
    if (this.#isOpen) throw violation("a second welcome");
    const expected = bindingOf("provider", this.#scope, this.#auth, this.#handshakeHash);
    if (!equal(expected, message.binding)) {
      throw new SwarmError("AUTH_INVALID", "the provider could not prove that it belongs here", {
        blame: "peer",
      });
    }
    this.#isOpen = true;
    for (const root of message.roots) this.#roots.add(toHex(root));
    this.#deadline.clear();
    this.#opened.resolve(message.record);
  }

  /** Answers come in the order of the requests: one that is held back holds back all, and is missed. */
  #take(id: number, type: Request["type"] | undefined): Outstanding {
    const next = this.#outstanding.shift();
    if (next === undefined) throw violation("an answer without a request");
    if (next.id !== id || (type !== undefined && next.type !== type)) {
      this.#outstanding.unshift(next);
      throw violation("an answer to another request");
    }
    if (this.#outstanding.length === 0) this.#progress.end();
    return next;
  }
}

function timeout(what: string): SwarmError {
  return new SwarmError("TIMEOUT", `the provider was dropped: ${what}`, { blame: "peer" });
}
