/**
 * Accepts a DHT reply only from where its request went.
 *
 * dht-rpc matches a reply to a request by the 16-bit transaction id alone, and counts that id up by one
 * per request. A node that gets one request therefore knows the next ids, and can answer for all the others
 * before they do: lookups then end with its "nothing here" (attack E8). Genuine replies always come from
 * the address the request was sent to; relayed ones too, because the relay sends them.
 *
 * Reply header (dht-rpc lib/io.js, decodeReply):
 *  off size field
 *    0   1  0x13: version 3 | type 1 << 4
 *    1   1  flags, a compact-encoding uint; values from 0xfd on make it longer
 *    2   2  transaction id, little-endian
 *    4   6  our address as the sender sees it
 */
import type { Address, Io } from "@hyperswarm/dht";

const RESPONSE_ID = 0x13;
const FLAGS_OFFSET = 1;
const TID_OFFSET = 2;
const HEADER_BYTES = 10;
/** From here on a compact-encoding uint is a prefix, and what follows is not where we read it. */
const FIRST_LONG_UINT = 0xfd;

/** What the guard needs of dht-rpc's socket layer. */
export type GuardedIo = Pick<Io, "inflight" | "onmessage">;

/**
 * Installs the guard on a node's socket layer. Must be called in the tick the node is constructed in:
 * dht-rpc takes hold of `onmessage` one microtask later, when it binds its sockets.
 */
export function guardReplies(io: GuardedIo): void {
  const accept = io.onmessage.bind(io);
  io.onmessage = (socket: object, buffer: Buffer, from: Address): void => {
    if (buffer[0] === RESPONSE_ID && !isAwaited(io, buffer, from)) return;
    accept(socket, buffer, from);
  };
}

function isAwaited(io: GuardedIo, buffer: Buffer, from: Address): boolean {
  if (buffer.byteLength < HEADER_BYTES) return false;
  const flags = buffer[FLAGS_OFFSET];
  if (flags === undefined || flags >= FIRST_LONG_UINT) return false;
  const tid = buffer.readUInt16LE(TID_OFFSET);
  // The first one, because that is the one dht-rpc will take.
  const request = io.inflight.find((pending) => pending.tid === tid);
  return request !== undefined && request.to.port === from.port && request.to.host === from.host;
}
