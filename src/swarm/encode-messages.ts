/** Messages as frames (messages.ts). */
import { concat } from "../core/bytes.ts";
import { encodeCbor } from "../core/cbor.ts";
import {
  PROTOCOL,
  REASONS,
  TYPES,
  type Answer,
  type ClientMessage,
  type ProviderMessage,
} from "./messages.ts";

const UINT = 0;
const BYTES = 2;
const ARRAY_OF_3 = (4 << 5) | 3;
const ARRAY_OF_7 = (4 << 5) | 7;
const NULL = 0xf6;

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
    case "piece":
      return encodePieceRequest(message);
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

/** There are hundreds of them in a row: a fresh process would spend a twentieth of a download on compiling a general encoder. */
function encodePieceRequest(request: Extract<ClientMessage, { type: "piece" }>): Uint8Array {
  const { id, root, first, count, base, sketch } = request;
  return concat(
    Uint8Array.of(ARRAY_OF_7, TYPES.piece),
    argument(UINT, id),
    ...byteString(root),
    argument(UINT, first),
    argument(UINT, count),
    ...(base === undefined ? [Uint8Array.of(NULL)] : byteString(base)),
    ...byteString(sketch),
  );
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
      return concat(
        encodeAnswerHead(message.type, message.id, message.bytes.length),
        message.bytes,
      );
    case "have":
      return encodeCbor([type, message.root, message.first, message.bits]);
    case "error":
      return encodeCbor([type, message.id, REASONS[message.reason]]);
  }
}

/** What stands in front of so many bytes of an answer in its frame: they are large, and need not be copied for it. */
export function encodeAnswerHead(type: Answer["type"], id: number, sizeBytes: number): Uint8Array {
  return concat(
    Uint8Array.of(ARRAY_OF_3, TYPES[type]),
    argument(UINT, id),
    argument(BYTES, sizeBytes),
  );
}

function byteString(bytes: Uint8Array): [Uint8Array, Uint8Array] {
  return [argument(BYTES, bytes.length), bytes];
}

/** RFC 8949, section 3: a major type and its argument, in the shortest form. */
function argument(major: number, value: number): Uint8Array {
  const initial = major << 5;
  if (value < 24) return Uint8Array.of(initial | value);
  if (value < 2 ** 8) return Uint8Array.of(initial | 24, value);
  if (value < 2 ** 16) return Uint8Array.of(initial | 25, value >>> 8, value);
  return Uint8Array.of(initial | 26, value >>> 24, value >>> 16, value >>> 8, value);
}
