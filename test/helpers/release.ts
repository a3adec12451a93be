/** Releases of a made-up executable: real regions and signatures around bytes that never run. */
import type { SecretSeed } from "../../src/core/brand.ts";
import { concat } from "../../src/core/bytes.ts";
import { publicKeyOf, sign } from "../../src/core/keys.ts";
import { signRecord, type VerifiedRecord } from "../../src/core/release-record.ts";
import { memorySource } from "../../src/core/source.ts";
import type { RecordAdditions } from "../../src/core/record-additions.ts";
import type { TargetName } from "../../src/core/target-key.ts";
import { parseVersion } from "../../src/core/version.ts";
import { checkTarget } from "../../src/core/target.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { coreMessage, hashWithoutCore } from "../../src/exe/core-hash.ts";
import { settingsDigest, type Extension } from "../../src/exe/extension.ts";
import { encodeNotes } from "../../src/exe/notes.ts";
import { encodeRegion } from "../../src/exe/full-region.ts";
import { CORE_BYTES } from "../../src/exe/region.ts";
import type { Holding } from "../../src/swarm/holdings.ts";

/** An x86-64 executable without segments: enough to pass for one, nothing that could run. */
export const ELF_HEADER: Uint8Array = Uint8Array.from([
  0x7f,
  0x45,
  0x4c,
  0x46,
  2,
  1,
  1,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  2,
  0,
  62,
  0,
  1,
  0,
  0,
  0,
  ...new Uint8Array(30),
  56,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
]);

/** What the lengths of made-up streams are counted in. */
const BLOCK_BYTES = 65_536;

export const APP: TargetName = { app: "hello", target: "linux-x64", channel: "stable" };

export interface ReleaseOptions {
  readonly version: string;
  readonly name?: TargetName;
  /** 64 KiB blocks of the stream; the last one is 1,000 bytes short. */
  readonly blocks?: number;
  /** Decides every byte of the stream. */
  readonly salt?: number;
  /** First bytes of the stream, such as the header of an executable; less than 4,242 of them. */
  readonly header?: Uint8Array;
  /** Overwrites the first bytes, for instance with ELF_HEADER. */
  readonly head?: Uint8Array;
  readonly from?: string;
  readonly publishedS?: number;
  readonly expiresS?: number;
  readonly x?: RecordAdditions;
  /** The record names the settings of the region, as `sign` has it. */
  readonly isPinned?: boolean;
  /** Of the region. */
  readonly mode?: string;
  readonly notes?: string;
}

export interface TestRelease extends Holding {
  /** The whole file: stream with the region in it. */
  readonly file: Uint8Array;
  /** The canonical stream. */
  readonly bytes: Uint8Array;
}

/** xorshift32, so that a stream is neither constant nor large in the source. */
export function noise(sizeBytes: number, salt: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  let state = (salt * 2_654_435_761 + 1) >>> 0 || 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, sizeBytes);
}

export function makeRelease(seed: SecretSeed, options: ReleaseOptions): TestRelease {
  const { version, name = APP, blocks = 4, salt = 1, expiresS = 0 } = options;
  const { publishedS = Math.floor(Date.now() / 1000) } = options;
  const bytes = noise(blocks * BLOCK_BYTES - 1_000, salt);
  if (options.header !== undefined) bytes.set(options.header);
  if (options.head !== undefined) bytes.set(options.head);
  const table = ChunkTable.ofStream(memorySource(bytes));
  const regionOffset = 4_242;
  const extension: Extension = {
    app: name.app,
    owner: publicKeyOf(seed),
    target: checkTarget(name.target),
    channel: name.channel,
    mode: options.mode ?? "now",
    intervalSeconds: undefined,
    upload: undefined,
    bootstrap: [],
    sharedSecret: undefined,
    notes: options.notes === undefined ? undefined : encodeNotes(options.notes).coded,
    record: undefined,
  };
  const record = signRecord(seed, {
    app: name.app,
    target: checkTarget(name.target),
    channel: name.channel,
    version: parseVersion(version),
    lengthBytes: bytes.length,
    regionOffset,
    root: table.root,
    publishedS,
    expiresS,
    from: options.from === undefined ? undefined : parseVersion(options.from),
    x: {
      ...(options.isPinned === true && { settings: settingsDigest(extension) }),
      ...(options.notes !== undefined && { notes: encodeNotes(options.notes).digest }),
      ...options.x,
    },
  });
  const region = signedRegion(seed, extension, record, bytes, regionOffset);
  const file = concat(bytes.subarray(0, regionOffset), region, bytes.subarray(regionOffset));
  return { record, region, stream: memorySource(bytes), table, file, bytes };
}

function signedRegion(
  seed: SecretSeed,
  unsigned: Extension,
  record: VerifiedRecord,
  bytes: Uint8Array,
  regionOffset: number,
): Uint8Array {
  const { version } = record.record;
  const { bytes: signed, signature: recordSignature } = record;
  const extension = { ...unsigned, record: { bytes: signed, signature: recordSignature } };
  const core = { hash: new Uint8Array(32), sizeBytes: 0, version, signature: recordSignature };
  const draft = encodeRegion(core, extension);
  const whole = concat(bytes.subarray(0, regionOffset), draft, bytes.subarray(regionOffset));
  const hash = hashWithoutCore(memorySource(whole), regionOffset);
  const sizeBytes = whole.length - CORE_BYTES;
  const signature = sign(seed, coreMessage(version, hash, sizeBytes));
  return encodeRegion({ hash, sizeBytes, version, signature }, extension);
}
