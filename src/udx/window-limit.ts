/**
 * How much a peer may be allowed to send at once so that the kernel's receive buffer holds what arrives while the
 * event loop is busy: with Linux's default of 208 KiB a full window is lost to overflow on every fast local path.
 */
import { RECV_WINDOW_MAX } from "./constants.ts";
import type { RttEstimator } from "./rtt.ts";

/**
 * Payload per byte of receive buffer. Linux charges 2304 bytes for a datagram of 1472, and half of the room is
 * left to other streams of the socket.
 */
const PAYLOAD_SHARE = 1 / 3;
/** Longest the event loop is expected to be away, ms. */
const BUSY_MS = 1;

/**
 * Largest window to advertise, bytes. A longer path spreads a window over its round trip, so the limit grows with
 * it; without a sample only loopback is known to be short.
 */
export function windowLimit(
  recvBufferBytes: number,
  isLoopback: boolean,
  rtt: Pick<RttEstimator, "hasSample" | "min">,
): number {
  if (!rtt.hasSample && !isLoopback) return RECV_WINDOW_MAX;
  const burst = recvBufferBytes * PAYLOAD_SHARE;
  return Math.min(RECV_WINDOW_MAX, Math.floor(burst * Math.max(1, rtt.min / BUSY_MS)));
}
