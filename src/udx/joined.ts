/**
 * What the kernel has joined (UDP_GRO, see joining.ts): packets of one peer in a row, all as long as the first but the
 * last, which may be shorter. It tells how long that is in a way that Bun does not pass on, so it is found again: where packets
 * to streams of ours begin. Anywhere else, in encrypted bytes, a stream's random id and three bytes before it stand once in some
 * hundred terabytes.
 */
import { DATAGRAM_MAX } from "./constants.ts";
import { HEADER_SIZE, isUdxPacket, MAGIC, readStreamId, VERSION } from "./header.ts";

const BEGINNING = Buffer.from([MAGIC, VERSION]);

/** Whether a datagram is certainly several. Shorter ones are taken apart into datagrams of their own. */
export function isJoined(datagram: Uint8Array): boolean {
  return datagram.length > DATAGRAM_MAX;
}

/** Bytes from `start` to `end`, to be kept: not the memory of all that came together. */
export function ownBytes(datagram: Buffer, start: number, end: number): Buffer {
  if (!isJoined(datagram)) return datagram.subarray(start, end);
  const copy = Buffer.allocUnsafeSlow(end - start);
  datagram.copy(copy, 0, start, end);
  return copy;
}

/** The streams there are. */
export interface Streams {
  /** Whether one has, or had a moment ago, that id. */
  isOurs(id: number): boolean;
}

/**
 * Length of the packets in `datagram` but the last; its own where it is one. The shortest that is possible: at twice the length there
 * are headers, too.
 */
export function packetSize(datagram: Buffer, streams: Streams): number {
  if (!isUdxPacket(datagram) || !streams.isOurs(readStreamId(datagram))) return datagram.length;
  let at = datagram.indexOf(BEGINNING, HEADER_SIZE);
  while (at >= 0 && at <= DATAGRAM_MAX) {
    if (arePackets(datagram, at, streams)) return at;
    at = datagram.indexOf(BEGINNING, at + 1);
  }
  return datagram.length;
}

/**
 * Whether a packet to one of `streams` begins at every `size` bytes. What comes last may be something else of the same peer, as a card
 * joins them: a datagram of the DHT that was sent behind packets and is no longer than they.
 */
export function arePackets(datagram: Buffer, size: number, streams: Streams): boolean {
  for (let at = size; at < datagram.length; at += size) {
    if (isUdxPacket(datagram, at) && streams.isOurs(readStreamId(datagram, at))) continue;
    return at > size && at + size >= datagram.length;
  }
  return true;
}
