/**
 * The messages, protocol "rustpatcher/1". One CBOR array (core/cbor.ts: strict, shortest form) in each
 * frame of the encrypted stream; the first item is the type.
 *
 *   client → provider
 *     0 hello   [0, "rustpatcher/1", auth: bytes 64, binding: bytes 32]             first, once
 *     3 record  [3, record: bytes ≤ 600, signature: bytes 64]                       at most once
 *     4 region  [4, id: uint, root: bytes 32]
 *     5 table   [5, id: uint, root: bytes 32, first: uint, base: bytes 32 | null, listed: bytes 4 × n]
 *     6 piece   [6, id: uint, root: bytes 32, first: uint, count: uint, base: bytes 32 | null,
 *                sketch: bytes ≤ 8 KiB]     content/sketch.ts; empty: none
 *     7 cancel  [7, id: uint]
 *     8 done    [8, root: bytes 32]                              it has all chunks of this root now
 *    11 follow  [11, root: bytes 32]                            it wants to know what we have of this root
 *    12 peers   [12, id: uint, keys: bytes 32 × n]              peers it knows, n ≤ 16; once
 *    13 status  [13, id: uint]                                   for `watch`; may be refused
 *   provider → client
 *     1 denied  [1, minute: uint]                                and closes; minutes since the epoch
 *     2 welcome [2, binding: bytes 32, record | null, signature | null, roots: bytes 32 × n]  first, once
 *     4 region  [4, id: uint, region: bytes]                     coded as a piece (content/piece.ts)
 *     5 table   [5, id: uint, page: bytes]                       content/outline.ts; empty: the base is not held
 *     6 piece   [6, id: uint, piece: bytes]                      content/piece.ts
 *    10 have    [10, root: bytes 32, first: uint, bits: bytes]   to who follows; swarm/have.ts
 *    12 peers   [12, id: uint, keys: bytes 32 × n]              peers we know, n ≤ 16
 *    13 status  [13, id: uint, status: bytes ≤ 64]               swarm/copy-status.ts
 *     9 error   [9, id: uint, reason: uint]     1 not held · 2 out of range · 3 unavailable · 4 cancelled
 *                                                            5 busy: ask elsewhere, or later
 *
 * `first` and `count` are runs in a table request, chunks in a piece request. `base` is the root of what the
 * getter has, which a provider that names it among its roots has as well; to others the getter describes
 * what it has: `listed` are its runs, `sketch` the bytes that resemble the piece.
 *
 * Every request gets exactly one answer, in the order of the requests; a cancelled one may still get its
 * bytes. Anything else closes the connection: there is no message that may be ignored.
 */
import { asContentRoot, asSignature, type ContentRoot, type Signature } from "../core/brand.ts";
import { concat } from "../core/bytes.ts";
import { decodeCbor, encodeCbor, type CborValue } from "../core/cbor.ts";
import {
  LISTED_MAX_BYTES,
  PEERS_TOLD_MAX,
  RECORD_MAX_BYTES,
  ROOTS_MAX,
  SKETCH_MAX_BYTES,
  TABLE_PAGE_MAX_BYTES,
  UINT_MAX,
} from "../core/limits.ts";
import { HASH_BYTES } from "../content/merkle.ts";
import { CODED_PIECE_MAX_BYTES } from "../content/piece.ts";
import type { SignedRecord } from "../exe/extension.ts";
import { REGION_BYTES } from "../exe/region.ts";
import { AUTH_BYTES, BINDING_BYTES } from "./auth.ts";
import { STATUS_MAX_BYTES } from "./copy-status.ts";
import { violation } from "./error.ts";
import { CHUNKS_MAX, HAVE_MAX_BYTES } from "./have.ts";

export const PROTOCOL: string = "rustpatcher/1";

export type ErrorReason = "not-held" | "out-of-range" | "unavailable" | "cancelled" | "busy";

/** For a release. */
export type ContentRequest =
  | { readonly type: "region"; readonly id: number; readonly root: ContentRoot }
  | {
      readonly type: "table";
      readonly id: number;
      readonly root: ContentRoot;
      /** Run. */
      readonly first: number;
      readonly base: ContentRoot | undefined;
      readonly listed: Uint8Array;
    }
  | {
      readonly type: "piece";
      readonly id: number;
      readonly root: ContentRoot;
      /** Chunk. */
      readonly first: number;
      readonly count: number;
      readonly base: ContentRoot | undefined;
      readonly sketch: Uint8Array;
    };

export type Request =
  | ContentRequest
  /** For keys of peers, against some: 32 bytes each. Nothing is dialled because of them but the keys. */
  | { readonly type: "peers"; readonly id: number; readonly keys: Uint8Array }
  /** For what a copy may tell of itself. */
  | { readonly type: "status"; readonly id: number };

export function isContentRequest(message: ClientMessage): message is ContentRequest {
  return message.type === "region" || message.type === "table" || message.type === "piece";
}

export type ClientMessage =
  | { readonly type: "hello"; readonly auth: Uint8Array; readonly binding: Uint8Array }
  | { readonly type: "record"; readonly record: SignedRecord }
  | Request
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "follow"; readonly root: ContentRoot }
  | { readonly type: "done"; readonly root: ContentRoot };

/** What a provider has of a root that it is still fetching itself, or of a part of that. */
export interface Have {
  readonly type: "have";
  readonly root: ContentRoot;
  /** Chunk that the first bit stands for, a multiple of 8. */
  readonly first: number;
  /** The lowest bit of a byte comes first. */
  readonly bits: Uint8Array;
}

/** The bytes asked for, coded: a region, a page of a table, a piece, keys or a status. */
export interface Answer {
  readonly type: Request["type"];
  readonly id: number;
  readonly bytes: Uint8Array;
}

export type ProviderMessage =
  | { readonly type: "denied"; readonly minute: number }
  | {
      readonly type: "welcome";
      readonly binding: Uint8Array;
      readonly record: SignedRecord | undefined;
      /** What it serves, and what it can make deltas against. */
      readonly roots: readonly ContentRoot[];
    }
  | Answer
  | Have
  | { readonly type: "error"; readonly id: number; readonly reason: ErrorReason };

const TYPES = {
  hello: 0,
  denied: 1,
  welcome: 2,
  record: 3,
  region: 4,
  table: 5,
  piece: 6,
  cancel: 7,
  done: 8,
  error: 9,
  have: 10,
  follow: 11,
  peers: 12,
  status: 13,
} as const;

const PUBLIC_KEY_BYTES = 32;
/** A region as it is. */
const CODED_REGION_MAX_BYTES = 1 + REGION_BYTES;

const REASONS = {
  "not-held": 1,
  "out-of-range": 2,
  unavailable: 3,
  cancelled: 4,
  busy: 5,
} as const satisfies Record<ErrorReason, number>;

/** A new array, at most FRAME_MAX_BYTES. */
export function encodeClientMessage(message: ClientMessage): Uint8Array {
  const type = TYPES[message.type];
  switch (message.type) {
    case "hello":
      return encodeCbor([type, PROTOCOL, message.auth, message.binding]);
    case "record":
      return encodeCbor([type, message.record.bytes, message.record.signature]);
    case "region":
      return encodeCbor([type, message.id, message.root]);
    case "table": {
      const { id, root, first, base = null, listed } = message;
      return encodeCbor([type, id, root, first, base, listed]);
    }
    case "piece": {
      const { id, root, first, count, base = null, sketch } = message;
      return encodeCbor([type, id, root, first, count, base, sketch]);
    }
    case "cancel":
    case "status":
      return encodeCbor([type, message.id]);
    case "done":
    case "follow":
      return encodeCbor([type, message.root]);
    case "peers":
      return encodeCbor([type, message.id, message.keys]);
  }
}

/** A new array, at most FRAME_MAX_BYTES. */
export function encodeProviderMessage(message: ProviderMessage): Uint8Array {
  const type = TYPES[message.type];
  switch (message.type) {
    case "denied":
      return encodeCbor([type, message.minute]);
    case "welcome": {
      const { binding, record, roots } = message;
      const signed = [record?.bytes ?? null, record?.signature ?? null];
      return encodeCbor([type, binding, ...signed, concat(...roots)]);
    }
    case "region":
    case "table":
    case "piece":
    case "peers":
    case "status":
      return encodeCbor([type, message.id, message.bytes]);
    case "have":
      return encodeCbor([type, message.root, message.first, message.bits]);
    case "error":
      return encodeCbor([type, message.id, REASONS[message.reason]]);
  }
}

/** The items of one frame, each taken once, in order. */
class Items {
  readonly #items: readonly CborValue[];
  #next = 0;

  constructor(frame: Uint8Array) {
    const value = decodeCbor(frame);
    if (!Array.isArray(value)) throw violation("a frame that is not an array");
    this.#items = value;
  }

  #take(): CborValue | undefined {
    return this.#items[this.#next++];
  }

  uint(max: number = UINT_MAX, min = 0): number {
    const value = this.#take();
    if (typeof value !== "number" || value < min || value > max) throw violation("a wrong number");
    return value;
  }

  bytes(max: number, min: number = max): Uint8Array {
    const value = this.#take();
    if (!(value instanceof Uint8Array) || value.length < min || value.length > max) {
      throw violation("a wrong byte string");
    }
    return value;
  }

  root(): ContentRoot {
    return asContentRoot(this.bytes(HASH_BYTES));
  }

  optionalRoot(): ContentRoot | undefined {
    if (this.#items[this.#next] !== null) return this.root();
    this.#next++;
    return undefined;
  }

  /** Some of 32 bytes each, in one. */
  keys(max: number): Uint8Array {
    const bytes = this.bytes(max * PUBLIC_KEY_BYTES, 0);
    if (bytes.length % PUBLIC_KEY_BYTES !== 0) throw violation("half a key");
    return bytes;
  }

  roots(): ContentRoot[] {
    const bytes = this.bytes(ROOTS_MAX * HASH_BYTES, 0);
    const roots: ContentRoot[] = [];
    for (let at = 0; at < bytes.length; at += HASH_BYTES) {
      const root = bytes.subarray(at, at + HASH_BYTES);
      if (root.length < HASH_BYTES) throw violation("half a root");
      roots.push(asContentRoot(root));
    }
    return roots;
  }

  text(expected: string): void {
    if (this.#take() !== expected) throw violation("another protocol");
  }

  record(): SignedRecord {
    return { bytes: this.bytes(RECORD_MAX_BYTES, 1), signature: this.signature() };
  }

  signature(): Signature {
    return asSignature(this.bytes(64));
  }

  /** A record and its signature, or two nulls. */
  optionalRecord(): SignedRecord | undefined {
    if (this.#items[this.#next] !== null) return this.record();
    this.#next++;
    if (this.#take() !== null) throw violation("half a record");
    return undefined;
  }

  end(): void {
    if (this.#next !== this.#items.length) throw violation("a frame of another length");
  }
}

function decode<T>(frame: Uint8Array, read: (type: number, items: Items) => T | undefined): T {
  try {
    const items = new Items(frame);
    const message = read(items.uint(), items);
    if (message === undefined) throw violation("an unknown message");
    items.end();
    return message;
  } catch (cause) {
    throw violation("a frame that cannot be read", cause);
  }
}

/**
 * What a client may send. Byte strings own their memory.
 * @throws {SwarmError} PROTOCOL
 */
export function decodeClientMessage(frame: Uint8Array): ClientMessage {
  return decode(frame, (type, items): ClientMessage | undefined => {
    switch (type) {
      case TYPES.hello:
        items.text(PROTOCOL);
        return {
          type: "hello",
          auth: items.bytes(AUTH_BYTES),
          binding: items.bytes(BINDING_BYTES),
        };
      case TYPES.record:
        return { type: "record", record: items.record() };
      case TYPES.region:
        return { type: "region", id: items.uint(), root: items.root() };
      case TYPES.table:
        return {
          type: "table",
          id: items.uint(),
          root: items.root(),
          // A range beyond any table is an answerable mistake, not a broken frame.
          first: items.uint(),
          base: items.optionalRoot(),
          listed: items.bytes(LISTED_MAX_BYTES, 0),
        };
      case TYPES.piece:
        return {
          type: "piece",
          id: items.uint(),
          root: items.root(),
          first: items.uint(),
          count: items.uint(UINT_MAX, 1),
          base: items.optionalRoot(),
          sketch: items.bytes(SKETCH_MAX_BYTES, 0),
        };
      case TYPES.cancel:
        return { type: "cancel", id: items.uint() };
      case TYPES.follow:
        return { type: "follow", root: items.root() };
      case TYPES.peers:
        return { type: "peers", id: items.uint(), keys: items.keys(PEERS_TOLD_MAX) };
      case TYPES.status:
        return { type: "status", id: items.uint() };
      case TYPES.done:
        return { type: "done", root: items.root() };
      default:
        return undefined;
    }
  });
}

/**
 * What a provider may send. Byte strings own their memory.
 * @throws {SwarmError} PROTOCOL
 */
export function decodeProviderMessage(frame: Uint8Array): ProviderMessage {
  return decode(frame, (type, items): ProviderMessage | undefined => {
    switch (type) {
      case TYPES.denied:
        return { type: "denied", minute: items.uint() };
      case TYPES.welcome:
        return {
          type: "welcome",
          binding: items.bytes(BINDING_BYTES),
          record: items.optionalRecord(),
          roots: items.roots(),
        };
      case TYPES.region:
        return { type: "region", id: items.uint(), bytes: items.bytes(CODED_REGION_MAX_BYTES, 1) };
      case TYPES.table:
        return { type: "table", id: items.uint(), bytes: items.bytes(TABLE_PAGE_MAX_BYTES, 0) };
      case TYPES.piece:
        return { type: "piece", id: items.uint(), bytes: items.bytes(CODED_PIECE_MAX_BYTES, 1) };
      case TYPES.have:
        return {
          type: "have",
          root: items.root(),
          first: items.uint(CHUNKS_MAX),
          bits: items.bytes(HAVE_MAX_BYTES, 0),
        };
      case TYPES.peers:
        return { type: "peers", id: items.uint(), bytes: items.keys(PEERS_TOLD_MAX) };
      case TYPES.status:
        return { type: "status", id: items.uint(), bytes: items.bytes(STATUS_MAX_BYTES, 1) };
      case TYPES.error:
        return { type: "error", id: items.uint(), reason: reasonOf(items.uint()) };
      default:
        return undefined;
    }
  });
}

function reasonOf(code: number): ErrorReason {
  for (const [reason, value] of Object.entries(REASONS)) {
    if (value === code) return reason as ErrorReason;
  }
  throw violation("an unknown error reason");
}
