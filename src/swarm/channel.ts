/**
 * A connection as frames of bytes: bounded in both directions, closed once, with one reason.
 */
import type { SecretStream } from "@hyperswarm/dht";
import { release, totalLength } from "../core/bytes.ts";
import { FRAME_MAX_BYTES, HELLO_MAX_BYTES } from "../core/limits.ts";
import { SwarmError, violation } from "./error.ts";

export interface ChannelEvents {
  /** One whole frame, the receiver's to keep. */
  onFrame(frame: Uint8Array): void;
  /** The first bytes of a frame that did not come in one piece. */
  onFrameStart?(): void;
  onDrain?(): void;
  /** Once, whoever closed it and why; nothing is called afterwards. */
  onClose(reason: SwarmError): void;
}

/** crypto_secretstream_xchacha20poly1305_ABYTES: what encryption adds to a frame. */
const SEAL_BYTES = 17;
/** Of it behind the frame. */
const MAC_BYTES = 16;

export class Channel {
  readonly #stream: SecretStream;
  readonly #events: ChannelEvents;
  #maxFrameBytes = HELLO_MAX_BYTES;
  #isClosed = false;

  /** Takes over the stream, whose handshake is done. */
  constructor(stream: SecretStream, events: ChannelEvents) {
    this.#stream = stream;
    this.#events = events;
    this.#capFrames();
    stream.on("data", (frame) => this.#receive(frame));
    stream.on("drain", () => {
      if (!this.#isClosed) this.#events.onDrain?.();
    });
    stream.on("error", (cause) => this.close(lost(cause)));
    stream.on("end", () => this.close(lost()));
    stream.on("close", () => this.close(lost()));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The other side has authenticated: frames may have their full size from now on. */
  raiseFrameLimit(): void {
    this.#maxFrameBytes = FRAME_MAX_BYTES;
  }

  /** False when the caller has to wait for onDrain before sending more of what it was asked for. */
  send(frame: Uint8Array): boolean {
    return this.#isClosed || this.#stream.write(frame);
  }

  /** The same for a frame in parts, all of them free again after the call. */
  sendParts(...parts: readonly Uint8Array[]): boolean {
    if (this.#isClosed) return true;
    const frame = this.#stream.alloc(totalLength(parts));
    let at = 0;
    for (const part of parts) {
      frame.set(part, at);
      at += part.length;
    }
    return this.#stream.write(frame);
  }

  /** Closes when what was sent has arrived. The caller keeps a deadline for it. */
  async finish(): Promise<void> {
    await this.#stream.flush();
    this.close(new SwarmError("CLOSED", "the conversation is over", { blame: "local" }));
  }

  close(reason: SwarmError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream.destroy();
    this.#events.onClose(reason);
  }

  #receive(frame: Uint8Array): void {
    if (this.#isClosed) return;
    if (frame.length > this.#maxFrameBytes) return this.close(violation("a frame above the limit"));
    try {
      this.#events.onFrame(frame);
    } catch (cause) {
      this.close(cause instanceof SwarmError ? cause : violation("an unexpected message", cause));
    }
  }

  /**
   * The secret stream allocates what a frame's 24-bit length claims, up to 16 MiB, also before anybody has
   * authenticated (D11). It first tells its raw stream how much is to come, through `setContentSize` of
   * the stream it keeps in `_utp`; there the claim can still be refused.
   */
  #capFrames(): void {
    const inner: unknown = Reflect.get(this.#stream, "_utp");
    const setContentSize = (sizeBytes: number): void => {
      if (sizeBytes > this.#maxFrameBytes + SEAL_BYTES) {
        this.close(violation("a claim of a frame above the limit"));
        return;
      }
      this.#events.onFrameStart?.();
      if (isSized(inner)) inner.setContentSize(sizeBytes);
    };
    Reflect.set(this.#stream, "_utp", { setContentSize });
  }
}

/** What is in front of an answer in memory of its own: length, tag and the frame's head. */
const ANSWER_HEAD_MAX_BYTES = 3 + 1 + 14;

/**
 * Gives back the memory of an answer that nobody needs any more, of which `bytes` are the body. A frame that did not come in
 * one piece was put together in a buffer of its own, with its authenticator behind it; where anything else could be in the buffer,
 * it is left to the collector.
 */
export function releaseFrame(bytes: Uint8Array): void {
  const { buffer, byteOffset, length } = bytes;
  const isAlone = byteOffset + length + MAC_BYTES === buffer.byteLength;
  if (isAlone && byteOffset <= ANSWER_HEAD_MAX_BYTES) release(new Uint8Array(buffer));
}

function isSized(value: unknown): value is { setContentSize(sizeBytes: number): void } {
  return typeof value === "object" && value !== null && "setContentSize" in value;
}

function lost(cause?: Error): SwarmError {
  return new SwarmError("CLOSED", "the connection to the peer was lost", { blame: "peer", cause });
}
