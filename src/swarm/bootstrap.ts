import { isLoopback } from "./host-counts.ts";
import { SwarmError } from "./error.ts";
import type { NetworkAddress } from "./peers.ts";

/** Nodes to join a network by, or HyperDHT's public ones. An empty list starts a network of its own. */
export type Bootstrap = readonly NetworkAddress[] | "public";

const PORT_MAX = 65_535;

/**
 * "host:port", as in the configuration and RUSTPATCHER_BOOTSTRAP; a name is looked up when it is used.
 * @throws {SwarmError} BOOTSTRAP_INVALID
 */
export function parseAddress(text: string): NetworkAddress {
  const match = /^([A-Za-z0-9.-]{1,253}):([0-9]{1,5})$/.exec(text.trim());
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port < 1 || port > PORT_MAX) {
    throw new SwarmError(
      "BOOTSTRAP_INVALID",
      `"${text.slice(0, 80)}" is not a bootstrap address: write host:port`,
      { blame: "usage" },
    );
  }
  return { host: match[1], port };
}

/**
 * The list in effect: `environment` (comma-separated, RUSTPATCHER_BOOTSTRAP) wins over `configured`; with
 * neither, the public network.
 * @throws {SwarmError} BOOTSTRAP_INVALID
 */
export function bootstrapFrom(
  environment: string | undefined,
  configured: readonly string[],
): Bootstrap {
  const texts = (environment ?? "").split(",").filter((text) => text.trim() !== "");
  const chosen = texts.length > 0 ? texts : configured;
  return chosen.length === 0 ? "public" : chosen.map(parseAddress);
}

/** A network on this machine alone: nothing of it may be reachable from outside. */
export function isLoopbackOnly(bootstrap: Bootstrap): boolean {
  return (
    bootstrap !== "public" &&
    bootstrap.length > 0 &&
    bootstrap.every(({ host }) => host === "localhost" || isLoopback(host))
  );
}
