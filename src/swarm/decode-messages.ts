/** Frames as messages (messages.ts): there is one way to read a frame, or none. */
import {
  LISTED_MAX_BYTES,
  PEERS_TOLD_MAX,
  SKETCH_MAX_BYTES,
  TABLE_PAGE_MAX_BYTES,
  UINT_MAX,
} from "../core/limits.ts";
import { CODED_PIECE_MAX_BYTES } from "../content/piece.ts";
import { REGION_BYTES } from "../exe/region.ts";
import { AUTH_BYTES, BINDING_BYTES } from "./auth.ts";
import { STATUS_MAX_BYTES } from "./copy-status.ts";
import { violation } from "./error.ts";
import { FrameReader } from "./frame-reader.ts";
import { CHUNKS_MAX, HAVE_MAX_BYTES } from "./have.ts";
import {
  PROTOCOL,
  REASONS,
  TYPES,
  type ClientMessage,
  type ErrorReason,
  type ProviderMessage,
} from "./messages.ts";

/** A region as it is. */
const CODED_REGION_MAX_BYTES = 1 + REGION_BYTES;

function decode<T>(
  frame: Uint8Array,
  read: (type: number, items: FrameReader) => T | undefined,
): T {
  try {
    const items = new FrameReader(frame);
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
 * What a provider may send. The bytes of an answer share memory with the frame, other byte strings own theirs.
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
        return { type: "region", id: items.uint(), bytes: items.view(CODED_REGION_MAX_BYTES, 1) };
      case TYPES.table:
        return { type: "table", id: items.uint(), bytes: items.view(TABLE_PAGE_MAX_BYTES, 0) };
      case TYPES.piece:
        return { type: "piece", id: items.uint(), bytes: items.view(CODED_PIECE_MAX_BYTES, 1) };
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
