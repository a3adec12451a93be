// What `@hyperswarm/secret-stream` resolves to: the original, whose large messages are encrypted in memory that is used
// again (src/udx/write-slabs.ts). It offers that itself, as `alloc`: a message written into it is not copied.
const { UDXStream } =
  require("../../src/udx/stream.ts") as typeof import("../../src/udx/stream.ts");
const { takeSlab } =
  require("../../src/udx/write-slabs.ts") as typeof import("../../src/udx/write-slabs.ts");

interface SecretStream {
  _rawStream: unknown;
  _outgoingPlain: Buffer | null;
  _outgoingWrapped: Buffer | null;
  _write(data: Buffer, callback: (error?: Error | null) => void): void;
}

const Original =
  require("../../node_modules/@hyperswarm/secret-stream/index.js") as new () => SecretStream;

/** Length of the frame, u24. */
const PREFIX_BYTES = 3;
/** In front of a message and behind it in a frame: its tag, encrypted, and its authenticator. */
const TAG_BYTES = 1;
const MAC_BYTES = 16;

module.exports = class NoiseSecretStream extends Original {
  override _write(data: Buffer, callback: (error?: Error | null) => void): void {
    // Only where the frame goes straight into packets, and not between somebody's own `alloc` and its `write`.
    const wrapped =
      this._outgoingPlain === null && this._rawStream instanceof UDXStream
        ? takeSlab(PREFIX_BYTES + TAG_BYTES + data.byteLength + MAC_BYTES)
        : undefined;
    if (wrapped === undefined) return super._write(data, callback);
    const plain = wrapped.subarray(PREFIX_BYTES + TAG_BYTES, wrapped.byteLength - MAC_BYTES);
    plain.set(data);
    this._outgoingWrapped = wrapped;
    this._outgoingPlain = plain;
    super._write(plain, callback);
  }
};
