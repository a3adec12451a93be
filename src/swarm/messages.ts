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
import type { ContentRoot } from "../core/brand.ts";
import type { SignedRecord } from "../exe/extension.ts";

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

/** The first item of each. */
export const TYPES = {
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

export const REASONS: Readonly<Record<ErrorReason, number>> = {
  "not-held": 1,
  "out-of-range": 2,
  unavailable: 3,
  cancelled: 4,
  busy: 5,
};
