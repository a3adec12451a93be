import { RustpatcherError } from "../core/error.ts";

/**
 * Codes are those of udx-native, because dht-rpc and hyperdht read them: ECONNRESET the peer destroyed the
 * stream, ETIMEDOUT a packet was never acknowledged, ERR_ASSERTION written before connect, EINVAL a bad
 * argument, EALREADY done before, ENOTCONN too early, EPIPE too late, ENOTSUP this platform cannot.
 */
export type UdxErrorCode =
  | "ECONNRESET"
  | "ETIMEDOUT"
  | "ERR_ASSERTION"
  | "EINVAL"
  | "EALREADY"
  | "ENOTCONN"
  | "EPIPE"
  | "ENOTSUP";

/** Every error this folder makes itself; the operating system's own (EADDRINUSE, …) pass unchanged. */
export class UdxError extends RustpatcherError<UdxErrorCode> {}

/** The peer sent DESTROY. */
export function connectionReset(): UdxError {
  return new UdxError("ECONNRESET", "connection reset by peer", { blame: "peer" });
}

/** The peer stayed silent through every retransmission of one packet. */
export function connectionTimedOut(): UdxError {
  return new UdxError("ETIMEDOUT", "connection timed out", { blame: "peer" });
}

/** The caller passed or did something that cannot be. */
export function usageError(code: UdxErrorCode, message: string): UdxError {
  return new UdxError(code, message, { blame: "usage" });
}

/**
 * Makes an exception of somebody's event listener an uncaught exception, as it is in udx-native, without
 * letting it cut short the work in progress, which belongs to others as well.
 */
export function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
