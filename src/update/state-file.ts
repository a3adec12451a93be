/**
 * The trusted state on disk, beside the executable: a CBOR map
 *
 *   format     uint   1
 *   first      bytes  32, with handovers: the owner key of the first one
 *   handovers  array  optional: all that lead to the owner that is followed, also those before our executable's own
 *   id         bytes  16, optional: this install's throw in staged rollouts; never sent
 *   record     bytes  the newest release record of the followed owner seen, as signed; absent: none
 *   refused    array  content roots, 32 bytes each, oldest first
 *   signature  bytes  64, of the record, if there is one
 *
 * What is read back is treated as a stranger's: the record is verified again under the owner key we run
 * with and goes through step 2 like any other. The version that reads it may be of another key of the chain, for
 * ways back lead over handovers. A state file can therefore raise the floor to a release
 * that the owner has made, and nothing else.
 */
import { asContentRoot, asSignature, type ContentRoot, type PublicKey } from "../core/brand.ts";
import { equal, fromHex } from "../core/bytes.ts";
import { decodeCbor, encodeCbor, type CborValue } from "../core/cbor.ts";
import { Fields } from "../core/fields.ts";
import { encodeHandover, verifyHandovers, type Handover } from "../core/handover.ts";
import { checkPublicKey } from "../core/keys.ts";
import {
  HANDOVERS_MAX,
  RECORD_MAX_BYTES,
  REFUSED_ROOTS_MAX,
  STATE_FILE_MAX_BYTES,
} from "../core/limits.ts";
import { verifyRecord, type VerifiedRecord } from "../core/release-record.ts";
import { FsError } from "../fs/error.ts";
import { readOwnFile, writeOwnFile } from "../fs/own-file.ts";
import { UpdateError } from "./error.ts";
import { INSTALL_ID_BYTES } from "./rollout.ts";
import type { TrustedState } from "./trusted-state.ts";

const FORMAT = 1;

export interface StoredState {
  readonly newest: VerifiedRecord | undefined;
  readonly handovers: readonly Handover[];
  readonly refused: readonly ContentRoot[];
  readonly installId: Uint8Array | undefined;
}

/**
 * Undefined when there is no file.
 * @throws {UpdateError} STATE_INVALID when it is not ours, too long, or does not decode and verify.
 */
export function readStateFile(path: string, owner: PublicKey): StoredState | undefined {
  try {
    const bytes = readOwnFile(path, STATE_FILE_MAX_BYTES);
    return bytes === undefined ? undefined : decodeState(bytes, owner);
  } catch (cause) {
    if (cause instanceof UpdateError) throw cause;
    throw invalid(path, cause instanceof FsError ? cause.message : "it cannot be read", cause);
  }
}

function decodeState(bytes: Uint8Array, owner: PublicKey): StoredState {
  const fields = new Fields(decodeCbor(bytes));
  fields.uint("format", FORMAT, FORMAT);
  const first = fields.has("first") ? checkPublicKey(fields.bytes("first", 32)) : owner;
  const coded = codedHandovers(fields.take("handovers") ?? []);
  const handovers = handoversFrom(owner, verifyHandovers(first, coded), first);
  const followed = handovers.at(-1)?.successor ?? owner;
  const newest = decodeNewest(fields, followed);
  const refused = decodeRefused(fields.take("refused") ?? []);
  const installId = fields.has("id") ? fields.bytes("id", INSTALL_ID_BYTES) : undefined;
  fields.end();
  return { newest, handovers, refused, installId };
}

/** Those that begin with ours. */
function handoversFrom(
  owner: PublicKey,
  all: readonly Handover[],
  first: PublicKey,
): readonly Handover[] {
  const keys = [first, ...all.map(({ successor }) => successor)];
  const at = keys.findIndex((key) => equal(key, owner));
  if (at === -1) throw damaged();
  return all.slice(at);
}

function decodeNewest(fields: Fields, owner: PublicKey): VerifiedRecord | undefined {
  const record = fields.take("record");
  if (record === undefined) return undefined;
  if (!(record instanceof Uint8Array) || record.length > RECORD_MAX_BYTES) throw damaged();
  return verifyRecord(owner, record, asSignature(fields.bytes("signature", 64)));
}

function codedHandovers(value: CborValue): Uint8Array[] {
  if (!Array.isArray(value)) throw damaged();
  return value.map((item: CborValue) => {
    if (item instanceof Uint8Array) return item;
    throw damaged();
  });
}

function damaged(): UpdateError {
  return new UpdateError("STATE_INVALID", "the state file is damaged", { blame: "local" });
}

function decodeRefused(value: CborValue): ContentRoot[] {
  if (!Array.isArray(value) || value.length > REFUSED_ROOTS_MAX) throw damaged();
  return value.map((root: CborValue) => {
    if (root instanceof Uint8Array && root.length === 32) return asContentRoot(root);
    throw damaged();
  });
}

/**
 * Replaces the file: whole or not at all. `lineage` leads to the owner that our executable names.
 * @throws {FsError} IO_FAILED, or the system's error from the rename.
 */
export function writeStateFile(
  path: string,
  state: TrustedState,
  lineage: readonly Handover[] = [],
): void {
  // Of a channel that was switched to a moment ago there is nothing to be remembered.
  const { newest, installId } = state;
  if (newest === undefined && state.handovers.length === 0) return;
  const handovers = [...lineage, ...state.handovers].slice(-HANDOVERS_MAX);
  const [first] = handovers;
  const bytes = encodeCbor(
    new Map<string, CborValue>([
      ["format", FORMAT],
      ["refused", state.refused.map(fromHex)],
      ...(newest === undefined ? [] : ([["record", newest.bytes]] as const)),
      ...(newest === undefined ? [] : ([["signature", newest.signature]] as const)),
      ...(installId === undefined ? [] : ([["id", installId]] as const)),
      ...(first === undefined ? [] : ([["first", first.owner]] as const)),
      ...(first === undefined ? [] : ([["handovers", handovers.map(encodeHandover)]] as const)),
    ]),
  );
  writeOwnFile(path, bytes, "nothing");
}

function invalid(path: string, reason: string, cause?: unknown): UpdateError {
  return new UpdateError(
    "STATE_INVALID",
    `the state file ${path} is ignored, because ${reason}; it will be written anew`,
    { blame: "local", cause, path },
  );
}
