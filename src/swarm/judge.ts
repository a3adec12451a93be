/** What the end of a connection says of a provider. */
import { SwarmError } from "./error.ts";
import type { Peers } from "./peers.ts";

/** A peer is scored by how its connection ended. */
export function judge(
  peers: Pick<Peers, "lacking" | "busy" | "failed" | "ban">,
  id: string,
  cause: unknown,
): void {
  switch (cause instanceof SwarmError ? cause.code : undefined) {
    case "STOPPED":
      return;
    case "NOT_HELD":
      return peers.lacking(id);
    case "BUSY":
      return peers.busy(id);
    case "CLOSED":
    case "TIMEOUT":
      return peers.failed(id);
    default:
      // Forged regions and tables, wrong pieces, broken frames.
      return peers.ban(id);
  }
}

/** All its places are taken. */
export function isBusy(cause: unknown): boolean {
  return cause instanceof SwarmError && cause.code === "BUSY";
}

/** Another provider was faster: this one has done nothing wrong. */
export function isCancelled(cause: unknown): boolean {
  return cause instanceof SwarmError && cause.evidence["reason"] === "cancelled";
}

/** Why a connection is closed, in the form that closing takes. */
export function asSwarmError(cause: unknown, index?: number): SwarmError {
  if (cause instanceof SwarmError) return cause;
  return new SwarmError("LIE", "the provider sent something that is not signed by the owner", {
    blame: "peer",
    cause,
    index,
  });
}
