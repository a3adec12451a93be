/**
 * Read mode `framed`: holds data back until one frame, u24 little-endian length and body (the format of
 * @hyperswarm/secret-stream), is complete, so that the reader gets whole frames. Purely a matter of chunk
 * boundaries; the first sign that the bytes are not aligned to packets turns it off for good (libudx
 * UDX_STREAM_MODE_FRAMED).
 */
import { DATAGRAM_MAX, READ_CHUNK_MAX } from "./constants.ts";

const PREFIX_SIZE = 3;

export class FrameGate {
  private held: Buffer[] = [];
  private heldBytes = 0;
  /** Bytes of the current frame still to come, prefix included; 0 between frames. */
  private missing = 0;
  private isOff = false;

  /** Takes in-order bytes, returns what the reader may have now. */
  push(chunk: Buffer): Buffer | undefined {
    if (this.isOff || chunk.length === 0) return chunk;
    if (this.missing === 0) {
      if (chunk.length < PREFIX_SIZE) return this.turnOff(chunk);
      this.missing = PREFIX_SIZE + chunk.readUIntLE(0, PREFIX_SIZE);
    }
    if (chunk.length > this.missing) return this.turnOff(chunk);
    this.held.push(chunk);
    this.heldBytes += chunk.length;
    this.missing -= chunk.length;
    const isFull = this.heldBytes + DATAGRAM_MAX > READ_CHUNK_MAX;
    return this.missing === 0 || isFull ? this.flush() : undefined;
  }

  /** Whatever is held back: the stream ends here. */
  flush(): Buffer | undefined {
    if (this.heldBytes === 0) return undefined;
    const [only] = this.held;
    const joined = this.held.length === 1 ? only : Buffer.concat(this.held, this.heldBytes);
    this.held = [];
    this.heldBytes = 0;
    return joined;
  }

  private turnOff(chunk: Buffer): Buffer {
    this.isOff = true;
    this.missing = 0;
    const before = this.flush();
    return before === undefined ? chunk : Buffer.concat([before, chunk]);
  }
}
