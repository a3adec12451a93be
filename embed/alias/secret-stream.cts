// What `@hyperswarm/secret-stream` resolves to: the original, whose large messages are encrypted in memory that is used
// again (src/udx/write-slabs.ts). It offers that itself, as `alloc`: a message written into it is not copied.
const { UDXStream } =
  require("../../src/udx/stream.ts") as typeof import("../../src/udx/stream.ts");
const { giveBackChunk } =
  require("../../src/udx/read-slabs.ts") as typeof import("../../src/udx/read-slabs.ts");
const { takeSlab } =
  require("../../src/udx/write-slabs.ts") as typeof import("../../src/udx/write-slabs.ts");

interface SecretStream {
  _rawStream: unknown;
  /** The frame that is coming in. */
  _message: Buffer | null;
  _incoming(): void;
  _onrawdata(data: Buffer): void;
  _outgoingPlain: Buffer | null;
  _outgoingWrapped: Buffer | null;
  alloc(sizeBytes: number): Buffer;
  _write(data: Buffer, callback: (error?: Error | null) => void): void;
}

const Original =
  require("../../node_modules/@hyperswarm/secret-stream/index.js") as new () => SecretStream;

/** Length of the frame, u24. */
const PREFIX_BYTES = 3;
/** In front of a message and behind it in a frame: its tag, encrypted, and its authenticator. */
const TAG_BYTES = 1;
const MAC_BYTES = 16;

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

module.exports = class NoiseSecretStream extends Original {
  /** What is being taken apart, until a message is found that stays in its memory. */
  private unkept: ArrayBufferLike | null = null;

  override _onrawdata(data: Buffer): void {
    this.unkept = data.buffer;
    super._onrawdata(data);
    const raw = this._rawStream;
    const isSoleReader = raw instanceof UDXStream && raw.listenerCount("data") === 1;
    if (this.unkept === data.buffer && isSoleReader) giveBackChunk(data);
    this.unkept = null;
  }

  override _incoming(): void {
    // A frame that came whole is decrypted where it is and becomes its reader's.
    if (this._message?.buffer === this.unkept) this.unkept = null;
    super._incoming();
  }

  override alloc(sizeBytes: number): Buffer {
    return inSlab(this, sizeBytes) ?? super.alloc(sizeBytes);
  }

  override _write(data: Buffer, callback: (error?: Error | null) => void): void {
    // Not between somebody's `alloc` and its `write`.
    const plain = this._outgoingPlain === null ? inSlab(this, data.byteLength) : undefined;
    plain?.set(data);
    super._write(plain ?? data, callback);
  }
};
