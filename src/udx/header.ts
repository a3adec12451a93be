/**
 * UDX packet header, 20 bytes, little-endian (libudx include/udx.h UDX_HEADER_SIZE, src/udx.c process_packet).
 *
 *  off size field        meaning
 *    0   1  magic        0xff
 *    1   1  version      1
 *    2   1  type         DATA 1, END 2, SACK 4, MESSAGE 8, DESTROY 16, HEARTBEAT 32; 0 is a pure ACK
 *    3   1  data offset  bytes between header and payload: SACK blocks, or the zeros of an MTU probe
 *    4   4  stream id    the receiver's local id
 *    8   4  window       bytes the sender of this packet will still buffer
 *   12   4  seq          TCP SEG.SEQ, in packets; in packets that use none, the sender's next one
 *   16   4  ack          TCP SEG.ACK: next seq the sender of this packet expects
 */
import { SACK_BLOCK_SIZE } from "./sack.ts";

export const HEADER_SIZE = 20;
export const MAGIC = 0xff;
export const VERSION = 1;

export const TYPE_ACK = 0;
export const TYPE_DATA = 1;
export const TYPE_END = 2;
export const TYPE_SACK = 4;
export const TYPE_MESSAGE = 8;
export const TYPE_DESTROY = 16;
export const TYPE_HEARTBEAT = 32;

/** Largest data offset: the field is one byte. */
export const DATA_OFFSET_MAX = 255;

const OFFSET_ID = 4;
const OFFSET_WINDOW = 8;
const OFFSET_SEQ = 12;
const OFFSET_ACK = 16;

/** A decoded header. One record is reused for all packets: copy out what must outlive the call. */
export class Header {
  type = 0;
  /** Receiver's stream id, unsigned. */
  id = 0;
  /** Bytes, unsigned. */
  window = 0;
  /** Internal (signed) form, see seq.ts. */
  seq = 0;
  ack = 0;
  /** Range of SACK blocks in the datagram; empty without the SACK bit. */
  sackStart = 0;
  sackEnd = 0;
  /** Where the payload starts; it runs to the end of the packet. */
  payloadStart = 0;
}

/** Whether what starts at `start` has the length, magic and version of a UDX packet. */
export function isUdxPacket(datagram: Uint8Array, start = 0): boolean {
  const isLongEnough = datagram.length - start >= HEADER_SIZE;
  return isLongEnough && datagram[start] === MAGIC && datagram[start + 1] === VERSION;
}

/** Receiver's stream id of a packet for which `isUdxPacket` holds, unsigned. */
export function readStreamId(datagram: Uint8Array, start = 0): number {
  return readU32(datagram, start + OFFSET_ID) >>> 0;
}

/** Overwrites the receiver's stream id in place: all that a relay changes. */
export function writeStreamId(datagram: Uint8Array, id: number): void {
  writeU32(datagram, OFFSET_ID, id);
}

/**
 * Reads the header of a packet for which `isUdxPacket` holds, from `start` to `end` in `datagram`, into `into`. Returns
 * false when the data offset points past its end; such a packet is dropped whole.
 */
export function tryDecodeHeader(
  datagram: Uint8Array,
  into: Header,
  start = 0,
  end: number = datagram.length,
): boolean {
  const type = datagram[start + 2] ?? 0;
  const dataOffset = datagram[start + 3] ?? 0;
  const headerEnd = start + HEADER_SIZE;
  if (dataOffset > end - headerEnd) return false;

  into.type = type;
  into.id = readU32(datagram, start + OFFSET_ID) >>> 0;
  into.window = readU32(datagram, start + OFFSET_WINDOW) >>> 0;
  into.seq = readU32(datagram, start + OFFSET_SEQ);
  into.ack = readU32(datagram, start + OFFSET_ACK);
  into.payloadStart = headerEnd + dataOffset;
  into.sackStart = headerEnd;
  into.sackEnd = headerEnd;

  if ((type & TYPE_SACK) !== 0) {
    // Without an offset, or with one that reaches the end, everything after the header is blocks.
    const fillsArea = dataOffset > 0 && dataOffset < end - headerEnd;
    into.sackEnd = fillsArea ? into.payloadStart : end;
    if (!fillsArea) into.payloadStart = end;
    into.sackEnd -= (into.sackEnd - headerEnd) % SACK_BLOCK_SIZE;
  }
  return true;
}

/** Writes a header at `at`. `id`, `window`, `seq` and `ack` may be signed or unsigned. */
export function encodeHeader(
  target: Uint8Array,
  at: number,
  type: number,
  dataOffset: number,
  id: number,
  window: number,
  seq: number,
  ack: number,
): void {
  target[at] = MAGIC;
  target[at + 1] = VERSION;
  target[at + 2] = type;
  target[at + 3] = dataOffset;
  writeU32(target, at + OFFSET_ID, id);
  writeU32(target, at + OFFSET_WINDOW, window);
  writeU32(target, at + OFFSET_SEQ, seq);
  writeU32(target, at + OFFSET_ACK, ack);
}

/** Little-endian 32-bit read in signed form. The caller has checked the bounds. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** Little-endian 32-bit write of the low 32 bits of `value`. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
