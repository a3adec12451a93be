/**
 * What a copy tells of itself to whoever watches a rollout, and only when asked: nothing that would tell one
 * install from another. CBOR array:
 *
 *   servedKiB  uint           sent to others in this run
 *   clients    uint           connected now
 *   refusal    text ≤ 32      code of why it does not take the newest release; empty: it would, or has
 */
import { decodeCbor, encodeCbor } from "../core/cbor.ts";
import { CONNECTIONS_IN_MAX, UINT_MAX } from "../core/limits.ts";
import { violation } from "./error.ts";

/** More than the longest has: two numbers and the text. */
export const STATUS_MAX_BYTES: number = 64;
const KIB = 1024;
/** Of an error class of ours. It goes to a screen: nothing else may come through. */
const CODE = /^[A-Z][A-Z_]{0,31}$/;

export interface CopyStatus {
  /** To 1,024 bytes. */
  readonly servedBytes: number;
  readonly clients: number;
  /** Error code, such as DIRECTORY_UNSAFE. */
  readonly refusal: string | undefined;
}

/** A new array. */
export function encodeStatus({ servedBytes, clients, refusal }: CopyStatus): Uint8Array {
  const servedKiB = Math.min(Math.floor(servedBytes / KIB), UINT_MAX);
  return encodeCbor([
    servedKiB,
    clients,
    refusal !== undefined && CODE.test(refusal) ? refusal : "",
  ]);
}

/** A claim: nothing rests on it. @throws {SwarmError} PROTOCOL */
export function decodeStatus(bytes: Uint8Array): CopyStatus {
  const value = tryDecode(bytes);
  if (!Array.isArray(value) || value.length !== 3) throw violation("a status that cannot be read");
  const [servedKiB, clients, refusal] = value as readonly unknown[];
  if (
    typeof servedKiB !== "number" ||
    typeof clients !== "number" ||
    clients > CONNECTIONS_IN_MAX
  ) {
    throw violation("a wrong number in a status");
  }
  if (typeof refusal !== "string" || (refusal !== "" && !CODE.test(refusal))) {
    throw violation("a wrong code in a status");
  }
  return { servedBytes: servedKiB * KIB, clients, refusal: refusal === "" ? undefined : refusal };
}

function tryDecode(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes);
  } catch (cause) {
    throw violation("a status that cannot be read", cause);
  }
}
