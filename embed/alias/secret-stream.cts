// What `@hyperswarm/secret-stream` resolves to: the original, whose large messages are encrypted
//
// - in memory that is used again (src/udx/write-slabs.ts). It offers that itself, as `alloc`: a message written into it is
//   not copied;
// - on other threads (sodium/secretstream-threads.ts). Everything received meanwhile waits for its turn, a message that is
//   sent is sent before the next is taken.
//
// and whose empty ones, which say that it is alive, take the shortest way, and are answered when ours is due soon.
const { UDXStream } =
  require("../../src/udx/stream.ts") as typeof import("../../src/udx/stream.ts");
const { giveBackChunk } =
  require("../../src/udx/read-slabs.ts") as typeof import("../../src/udx/read-slabs.ts");
const { withoutFTL } =
  require("../../src/udx/no-ftl.ts") as typeof import("../../src/udx/no-ftl.ts");
const { isWriterIdle } =
  require("../../src/udx/streamx-state.ts") as typeof import("../../src/udx/streamx-state.ts");
const { takeSlab } =
  require("../../src/udx/write-slabs.ts") as typeof import("../../src/udx/write-slabs.ts");

const { release } = require("../../src/core/bytes.ts") as typeof import("../../src/core/bytes.ts");
const { AliasError } = require("./error.ts") as typeof import("./error.ts");
const { InOrder: Ordered } = require("./in-order.ts") as typeof import("./in-order.ts");
const { ThreadedCipher: Threaded, THREADED_MIN_BYTES } =
  require("./sodium/secretstream-threads.ts") as typeof import("./sodium/secretstream-threads.ts");

const { advance, encrypt, kernelFor } =
  require("./sodium/secretstream-fast.ts") as typeof import("./sodium/secretstream-fast.ts");

type InOrder<T> = import("./in-order.ts").InOrder<T>;
type ThreadedCipher = import("./sodium/secretstream-threads.ts").ThreadedCipher;
type Done = (error?: Error | null) => void;

interface SecretStream {
  readonly _duplexState: number;
  readonly destroying: boolean;
  readonly rawStream: { pause(): void; resume(): void };
  readonly _rawStream: { write(data: Buffer): boolean };
  rawBytesRead: number;
  rawBytesWritten: number;
  /** Until the peer's header has come. */
  readonly _setup: boolean;
  readonly _encrypt: {
    readonly state: Buffer;
    next(message: Buffer, cipher: Buffer): Buffer;
  } | null;
  readonly _decrypt: { readonly state: Buffer };
  readonly _keepAliveTimer: { readonly isHalfOver: boolean; refresh(): void } | null;
  _drainDone: Done | null;
  /** Where in a frame its reader is. */
  _state: number;
  _len: number;
  _tmp: number;
  /** The frame that is coming in. */
  _message: Buffer | null;
  _incoming(): void;
  _onrawdata(data: Buffer): void;
  _onrawclose(): void;
  push(data: Buffer | null): boolean;
  destroy(error?: Error): void;
  _outgoingPlain: Buffer | null;
  _outgoingWrapped: Buffer | null;
  alloc(sizeBytes: number): Buffer;
  sendKeepAlive(): void;
  write(data: unknown): boolean;
  _write(data: Buffer, callback: Done): void;
}

const Original =
  require("../../node_modules/@hyperswarm/secret-stream/index.js") as new () => SecretStream;

/** Length of the frame, u24. */
const PREFIX_BYTES = 3;
/** In front of a message and behind it in a frame: its tag, encrypted, and its authenticator. */
const TAG_BYTES = 1;
const MAC_BYTES = 16;
const OVERHEAD_BYTES = TAG_BYTES + MAC_BYTES;
const EMPTY = Buffer.alloc(0);
const EMPTY_FRAME_BYTES = PREFIX_BYTES + OVERHEAD_BYTES;
/** Messages being opened at once, before the peer has to wait: enough for every thread, three quarters of a megabyte of the usual ones. */
const OPENING_MAX = 12;

/** Memory for a message, its frame around it, where the frame goes straight into packets. */
function inSlab(stream: SecretStream, sizeBytes: number): Buffer | undefined {
  if (!(stream._rawStream instanceof UDXStream)) return undefined;
  const wrapped = takeSlab(PREFIX_BYTES + TAG_BYTES + sizeBytes + MAC_BYTES);
  if (wrapped === undefined) return undefined;
  const plain = wrapped.subarray(PREFIX_BYTES + TAG_BYTES, wrapped.byteLength - MAC_BYTES);
  stream._outgoingWrapped = wrapped;
  stream._outgoingPlain = plain;
  return plain;
}

class NoiseSecretStream extends Original {
  /** What is being taken apart, until a message is found that stays in its memory. */
  private unkept: ArrayBufferLike | null = null;
  private sealer: ThreadedCipher | null = null;
  private opener: ThreadedCipher | null = null;
  /** Messages and the end, null, from the first that is being opened elsewhere. */
  private opening: InOrder<Buffer | null> | null = null;
  private isRawClosed = false;

  private get isOpening(): boolean {
    return this.opening !== null && this.opening.length > 0;
  }

  override _onrawdata(data: Buffer): void {
    // To ask for the memory of so little costs more than it could save.
    if (data.byteLength <= EMPTY_FRAME_BYTES) {
      super._onrawdata(data);
      return;
    }
    this.unkept = data.buffer;
    super._onrawdata(data);
    const raw = this._rawStream;
    const isSoleReader = raw instanceof UDXStream && raw.listenerCount("data") === 1;
    if (this.unkept === data.buffer && isSoleReader) giveBackChunk(data);
    this.unkept = null;
  }

  override _incoming(): void {
    const frame = this._message;
    if (frame !== null && !this._setup && frame.byteLength > THREADED_MIN_BYTES) {
      this.opener ??= new Threaded(this._decrypt.state);
      if (this.opener.takes(frame.byteLength - OVERHEAD_BYTES)) {
        void this.openElsewhere(this.opener, frame);
        return;
      }
    }
    // A frame that came whole is decrypted where it is and becomes its reader's.
    if (this.unkept !== null && frame?.buffer === this.unkept) this.unkept = null;
    super._incoming();
    // Ours goes with the acknowledgement: a packet less, and from then on both ends wake up together.
    const isDueSoon = frame?.byteLength === OVERHEAD_BYTES && this._keepAliveTimer?.isHalfOver;
    if (isDueSoon === true && !this.destroying) this.sendKeepAlive();
  }

  override sendKeepAlive(): void {
    if (!this.trySendEmpty()) super.sendKeepAlive();
  }

  override write(data: unknown): boolean {
    // As the original's timer writes it, into memory of its own.
    const isEmpty = data === this._outgoingPlain && this._outgoingPlain?.byteLength === 0;
    if (!isEmpty || !this.trySendEmpty()) return super.write(data);
    this._outgoingPlain = this._outgoingWrapped = null;
    return true;
  }

  /** Sends an empty message past streamx's queue, unless something is in it. */
  private trySendEmpty(): boolean {
    if (this._encrypt === null || !isWriterIdle(this)) return false;
    const wrapped = Buffer.allocUnsafe(EMPTY_FRAME_BYTES);
    wrapped[0] = OVERHEAD_BYTES;
    wrapped[1] = 0;
    wrapped[2] = 0;
    this._encrypt.next(EMPTY, wrapped.subarray(PREFIX_BYTES));
    this.rawBytesWritten += EMPTY_FRAME_BYTES;
    this._keepAliveTimer?.refresh();
    this._rawStream.write(wrapped);
    return true;
  }

  override push(data: Buffer | null): boolean {
    if (this.opening === null || !this.isOpening) return super.push(data);
    this.opening.end(this.opening.begin(), data);
    return this.opening.length < OPENING_MAX;
  }

  /** What came before it is still to be read. */
  override _onrawclose(): void {
    if (this.isOpening) this.isRawClosed = true;
    else super._onrawclose();
  }

  override alloc(sizeBytes: number): Buffer {
    return inSlab(this, sizeBytes) ?? super.alloc(sizeBytes);
  }

  override _write(data: Buffer, callback: Done): void {
    const isAllocated = data === this._outgoingPlain;
    // Not between somebody's `alloc` and its `write`.
    const plain = this._outgoingPlain === null ? inSlab(this, data.byteLength) : undefined;
    if (data.byteLength >= THREADED_MIN_BYTES && (isAllocated || plain !== undefined)) {
      if (this._encrypt !== null) this.sealer ??= new Threaded(this._encrypt.state);
      if (this.sealer?.takes(data.byteLength)) {
        void this.sealElsewhere(this.sealer, data, callback);
        return;
      }
    }
    plain?.set(data);
    super._write(plain ?? data, callback);
  }

  private async openElsewhere(opener: ThreadedCipher, frame: Buffer): Promise<void> {
    this._state = 0;
    this._len = 0;
    this._tmp = 1;
    this._message = null;
    this.rawBytesRead += frame.byteLength;
    const opening = (this.opening ??= new Ordered((plain) => this.give(plain)));
    const place = opening.begin();
    try {
      const opened = opener.open(frame, (plain) => opening.end(place, plain));
      // Memory of the raw stream goes back to it.
      if (frame.buffer !== this.unkept) release(frame);
      if (opening.length >= OPENING_MAX) this.rawStream.pause();
      await opened;
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  private give(plain: Buffer | null): void {
    if (!super.push(plain)) this.rawStream.pause();
    else if (this.opening?.length === OPENING_MAX - 1) this.rawStream.resume();
    // When this message has been read as well.
    if (this.isRawClosed && !this.isOpening) queueMicrotask(() => super._onrawclose());
  }

  private async sealElsewhere(sealer: ThreadedCipher, message: Buffer, done: Done): Promise<void> {
    const wrapped = this._outgoingWrapped;
    this._outgoingWrapped = this._outgoingPlain = null;
    try {
      if (wrapped === null) throw new AliasError("NOT_READY", "there is no memory for a frame");
      await sealer.seal(message, wrapped.subarray(PREFIX_BYTES));
      wrapped.writeUIntLE(wrapped.byteLength - PREFIX_BYTES, 0, PREFIX_BYTES);
      this.rawBytesWritten += wrapped.byteLength;
      this._keepAliveTimer?.refresh();
      if (this.destroying || this._rawStream.write(wrapped)) done(null);
      else this._drainDone = done;
    } catch (error) {
      done(error as Error);
    }
  }
}

// Each chunk and each message meets these.
withoutFTL([Original, NoiseSecretStream, Ordered, Threaded, advance, encrypt, kernelFor]);

module.exports = NoiseSecretStream;
