import { RustpatcherError } from "../core/error.ts";

export type SwarmErrorCode =
  /** A frame that is not expected here: undecodable, out of turn, above a cap. */
  | "PROTOCOL"
  /** The provider does not know our owner key, or its clock is far from ours. Evidence: `minute`. */
  | "AUTH_DENIED"
  /** The other side does not know the shared secret, or replayed somebody else's proof. */
  | "AUTH_INVALID"
  /** Nothing came in time, or too little. */
  | "TIMEOUT"
  /** Bytes that do not lead to the signed root. */
  | "LIE"
  /** The provider does not have what it was asked for. */
  | "NOT_HELD"
  /** The provider gives to as many others as it can: it is to be asked later. */
  | "BUSY"
  /** The connection is gone. */
  | "CLOSED"
  /** Nobody who can be reached has what we want. */
  | "NO_PROVIDER"
  /** Stopped by the caller. */
  | "STOPPED"
  /** Not a host:port. */
  | "BOOTSTRAP_INVALID"
  /** The DHT could not be joined or did not answer. */
  | "DHT";

export class SwarmError extends RustpatcherError<SwarmErrorCode> {}

/** A peer did something that no honest peer does. */
export function violation(reason: string, cause?: unknown): SwarmError {
  return new SwarmError("PROTOCOL", `the peer broke the protocol: ${reason}`, {
    blame: "peer",
    cause,
  });
}
