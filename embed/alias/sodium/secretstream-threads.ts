/**
 * The secret stream's `push` and `pull` on Bun's own threads, for large messages: BoringSSL's ChaCha20-Poly1305, by way of
 * WebCrypto, takes half of WebAssembly's time, and none of this thread's but for two copies.
 *
 * A message of a secret stream (secretstream-fast.ts) is that of RFC 8439's AEAD, without associated data, for
 *
 *   tag ‖ 63 zeros ‖ message
 *
 * whose second to 64th encrypted bytes are not sent: they are the key stream itself. libsodium pads Poly1305's input in a
 * way of its own, which is the RFC's where the message's length is a multiple of 8.
 */
import { equal, release } from "../../../src/core/bytes.ts";
import { AliasError } from "../error.ts";
import { crypto_aead_chacha20poly1305_ietf_encrypt } from "./box.ts";
import type { ChaCha20 } from "./chacha20-simd.ts";
import {
  crypto_aead_chacha20poly1305_ietf_ABYTES as MAC_BYTES,
  crypto_aead_chacha20poly1305_ietf_KEYBYTES as KEY_BYTES,
  crypto_aead_chacha20poly1305_ietf_NPUBBYTES as NONCE_BYTES,
} from "./constants.ts";
import {
  advance,
  encrypt,
  kernelFor,
  KEY_END,
  MESSAGE,
  NONCE_END,
  TAG_BLOCK,
} from "./secretstream-fast.ts";

const NAME = "ChaCha20-Poly1305";
/** Smaller messages are encrypted here in the time that it takes to ask another thread. */
export const THREADED_MIN_BYTES: number = 32 * 1024;
const PADDED_AS_THE_RFC = 8;
const TAG_BYTES = 1;
const TAG_BLOCK_BYTES = MESSAGE - TAG_BLOCK;
/** libsodium's TAG_MESSAGE. */
const TAG_MESSAGE = 0;

/** One direction of a stream. Its owner lends `state`, and uses it for nothing else while `seal` is under way. */
export class ThreadedCipher {
  private readonly state: Uint8Array;
  /** Of the key in `keyBytes`; a stream has another after a rekey. */
  private key: CryptoKey | undefined;
  private keyBytes: Uint8Array | undefined;

  constructor(state: Uint8Array) {
    this.state = state;
  }

  /** Whether a message of that length can be given to `seal` or `open` now. The first that could be cannot yet. */
  takes(sizeBytes: number): boolean {
    if (sizeBytes < THREADED_MIN_BYTES || sizeBytes % PADDED_AS_THE_RFC !== 0) return false;
    if (kernelFor(sizeBytes) === undefined) return false;
    const key = this.state.subarray(0, KEY_BYTES);
    if (this.keyBytes !== undefined && equal(this.keyBytes, key)) return this.key !== undefined;
    const keyBytes = new Uint8Array(key);
    this.keyBytes = keyBytes;
    this.key = undefined;
    void this.importKey(keyBytes);
    return false;
  }

  private async importKey(keyBytes: Uint8Array<ArrayBuffer>): Promise<void> {
    isEqual ??= agrees().catch(() => false);
    const key = (await isEqual) ? await imported(keyBytes) : undefined;
    if (this.keyBytes === keyBytes) this.key = key;
  }

  /**
   * Writes tag, encrypted message and authenticator to `frame`, the caller's, and advances the state then. `message` may be
   * used otherwise as soon as this has returned.
   */
  async seal(message: Uint8Array, frame: Uint8Array): Promise<void> {
    const { data, key, algorithm } = this.prepare(message.byteLength);
    data.fill(0, TAG_BLOCK, MESSAGE);
    data[TAG_BLOCK] = TAG_MESSAGE;
    data.set(message, MESSAGE);
    // Copied by the call.
    const plain = data.subarray(TAG_BLOCK, MESSAGE + message.byteLength);
    const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithm, key, plain));
    frame[0] = sealed[0] ?? 0;
    frame.set(sealed.subarray(TAG_BLOCK_BYTES), TAG_BYTES);
    release(sealed);
    advance(this.state, frame.subarray(TAG_BYTES + message.byteLength), TAG_MESSAGE);
  }

  /**
   * Calls `give` with the message in `frame`, which may be used otherwise as soon as this has returned. The state is
   * advanced at once, so that several may be under way. A promise for the message would keep it until the next full
   * collection, once it has lived through a young one.
   * @throws {AliasError} FAILED when `frame` is not the next message of this stream.
   */
  async open(frame: Uint8Array, give: (message: Buffer) => void): Promise<void> {
    const length = frame.byteLength - TAG_BYTES - MAC_BYTES;
    const { kernel, data, key, algorithm } = this.prepare(length);
    data.fill(0, 0, MESSAGE);
    encrypt(kernel, this.state, 0);
    // Not authenticated yet: should it be forged, nothing that follows in this stream is used either.
    const tag = (data[TAG_BLOCK] ?? 0) ^ (frame[0] ?? 0);
    data[TAG_BLOCK] = frame[0] ?? 0;
    data.set(frame.subarray(TAG_BYTES), MESSAGE);
    const sealed = data.subarray(TAG_BLOCK, MESSAGE + length + MAC_BYTES);
    const opening = crypto.subtle.decrypt(algorithm, key, sealed);
    data.fill(0, 0, MESSAGE);
    advance(this.state, frame.subarray(TAG_BYTES + length), tag);
    const opened = new Uint8Array(await opening.catch(notTheNext));
    const message = Buffer.allocUnsafeSlow(length);
    message.set(opened.subarray(TAG_BLOCK_BYTES));
    release(opened);
    give(message);
  }

  private prepare(sizeBytes: number): {
    kernel: ChaCha20;
    data: Uint8Array<ArrayBuffer>;
    key: CryptoKey;
    algorithm: { name: string; iv: Uint8Array };
  } {
    const kernel = kernelFor(sizeBytes);
    const { key } = this;
    if (kernel === undefined || key === undefined) {
      throw new AliasError("NOT_READY", "ask `takes` first", { sizeBytes });
    }
    // Copied: the state goes on before the call has read it.
    const iv = new Uint8Array(this.state.subarray(KEY_END, NONCE_END));
    return { kernel, data: kernel.data, key, algorithm: { name: NAME, iv } };
  }
}

function notTheNext(cause: unknown): never {
  throw new AliasError("FAILED", "pull failed", { cause });
}

/** Whether this Bun computes what libsodium does. */
let isEqual: Promise<boolean> | undefined;

/** A peer that gets a wrong message closes the connection, so that an update would never arrive. */
async function agrees(): Promise<boolean> {
  const [bytes, nonce, message] = [KEY_BYTES, NONCE_BYTES, TAG_BLOCK_BYTES].map((sizeBytes) =>
    crypto.getRandomValues(new Uint8Array(sizeBytes)),
  ) as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  const expected = new Uint8Array(message.length + MAC_BYTES);
  crypto_aead_chacha20poly1305_ietf_encrypt(expected, message, null, null, nonce, bytes);
  const algorithm = { name: NAME, iv: nonce };
  const sealed = await crypto.subtle.encrypt(algorithm, await imported(bytes), message);
  return equal(new Uint8Array(sealed), expected);
}

function imported(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  // The types know AES's formats only (WICG, "Modern Algorithms in the Web Cryptography API").
  const format = "raw-secret" as "raw";
  return crypto.subtle.importKey(format, bytes, NAME, false, ["encrypt", "decrypt"]);
}
