/** What publish, fetch and dht share: they run for a while, in a network, until somebody stops them. */
import type { Log } from "../core/log.ts";
import type { TextArgument } from "./command.ts";
import { complain } from "./output.ts";

export const BOOTSTRAP_VARIABLE = "RUSTPATCHER_BOOTSTRAP";

export const BOOTSTRAP_ARGUMENT: Readonly<Record<"bootstrap", TextArgument>> = {
  bootstrap: {
    type: "string",
    description: `Nodes to join the network by (default: ${BOOTSTRAP_VARIABLE}, else the public ones)`,
    valueHint: "host:port,…",
  },
};

/** The flag, else the environment. */
export function bootstrapText(flag: string | undefined): string | undefined {
  return flag ?? process.env[BOOTSTRAP_VARIABLE];
}

/** Warnings to stderr. */
export const warnings: Log = (level, text) => {
  if (level === "warn" || level === "error") complain(text);
};

export function amount(sizeBytes: number): string {
  if (sizeBytes < 1_000) return `${sizeBytes} B`;
  if (sizeBytes < 1_000_000) return `${(sizeBytes / 1_000).toFixed(1)} KB`;
  return `${(sizeBytes / 1_000_000).toFixed(1)} MB`;
}

/** A whole number from `min` to `max`, or undefined. */
export function tryWholeNumber(text: string, min: number, max: number): number | undefined {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}
