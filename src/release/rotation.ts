/**
 * Rotation of the owner key: the handovers, signed by the old key once for every target and channel, in a file
 * that every later release is signed with. There is nothing secret in it.
 */
import { existsSync, writeFileSync } from "node:fs";
import type { PublicKey, SecretSeed } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { checkLineage, encodeHandover, signHandover, type Lineage } from "../core/handover.ts";
import { keyText, parsePublicKey, publicKeyOf } from "../core/keys.ts";
import { HANDOVERS_MAX } from "../core/limits.ts";
import type { TargetName } from "../core/target-key.ts";
import { TARGETS } from "../core/target.ts";
import { ReleaseError } from "./error.ts";
import { readJson, type Json } from "./project.ts";

const FORMAT = 1;

interface Entry {
  readonly app: string;
  readonly target: string;
  readonly channel: string;
  /** z-base-32. */
  readonly from: string;
  /** Signature and record, hexadecimal. */
  readonly handover: string;
}

export interface RotateOptions {
  /** File to write, or to add to when the key was rotated before. */
  readonly path: string;
  readonly seed: SecretSeed;
  readonly successor: PublicKey;
  readonly app: string;
  readonly channels: readonly string[];
}

/**
 * Signs the handovers and writes them down. What they say comes true with the first release by the new key.
 * @throws {ReleaseError} CONFIG_INVALID
 */
export function rotateKey({ path, seed, successor, app, channels }: RotateOptions): number {
  const owner = publicKeyOf(seed);
  if (equal(owner, successor)) throw invalid(path, "the new key is the old one");
  const before = existsSync(path) ? readEntries(path) : [];
  if (before.some(({ from }) => from === keyText(owner))) {
    throw invalid(path, "this key was handed over before, which cannot be taken back");
  }
  const added = channels.flatMap((channel) =>
    TARGETS.map((target): Entry => {
      const handover = signHandover(seed, { app, target, channel }, successor);
      const coded = encodeHandover(handover).toHex();
      return { app, target, channel, from: keyText(owner), handover: coded };
    }),
  );
  const entries = [...before, ...added];
  for (const channel of channels) {
    for (const target of TARGETS) checkEntries(path, entries, { app, target, channel }, successor);
  }
  const file = { format: FORMAT, publicKey: keyText(successor), handovers: entries };
  writeFileSync(path, `${JSON.stringify(file, undefined, 2)}\n`);
  return added.length;
}

/** What a release of `owner` carries with it. @throws {ReleaseError} CONFIG_INVALID */
export function readLineage(path: string, name: TargetName, owner: PublicKey): Lineage {
  return checkEntries(path, readEntries(path), name, owner);
}

function checkEntries(
  path: string,
  entries: readonly Entry[],
  { app, target, channel }: TargetName,
  owner: PublicKey,
): Lineage {
  const ours = entries
    .filter((entry) => entry.app === app && entry.target === target && entry.channel === channel)
    .slice(-HANDOVERS_MAX);
  const [oldest] = ours;
  if (oldest === undefined) {
    throw invalid(path, `it hands over no ${app} for ${target} (${channel})`);
  }
  try {
    const handovers = ours.map(({ handover }) => Uint8Array.fromHex(handover));
    const lineage = { first: parsePublicKey(oldest.from), handovers };
    checkLineage(owner, { app, target, channel }, lineage);
    return lineage;
  } catch (cause) {
    throw invalid(path, `its handovers do not lead to ${keyText(owner)}`, cause);
  }
}

function readEntries(path: string): Entry[] {
  const json = readJson(path);
  const { format, handovers } = json;
  if (format !== FORMAT || !Array.isArray(handovers)) throw invalid(path, "it is no rotation file");
  return handovers.map((item: unknown) => {
    const entry = (item ?? {}) as Json;
    const text = (name: string): string => {
      const value = entry[name];
      if (typeof value === "string") return value;
      throw invalid(path, "it is damaged");
    };
    return {
      app: text("app"),
      target: text("target"),
      channel: text("channel"),
      from: text("from"),
      handover: text("handover"),
    };
  });
}

function invalid(path: string, reason: string, cause?: unknown): ReleaseError {
  return new ReleaseError("CONFIG_INVALID", `${path}: ${reason}`, { blame: "usage", cause, path });
}
