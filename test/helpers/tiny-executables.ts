/**
 * Executables of a few kilobytes: true headers around bytes that never run, for what looks at headers
 * and regions only. Layouts as in src/exe/elf.ts, macho.ts and pe.ts.
 */
import type { SecretSeed } from "../../src/core/brand.ts";
import { concat, utf8 } from "../../src/core/bytes.ts";
import { publicKeyOf, sign } from "../../src/core/keys.ts";
import { signRecord, type ReleaseRecord } from "../../src/core/release-record.ts";
import { memorySource } from "../../src/core/source.ts";
import { parseVersion } from "../../src/core/version.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { coreMessage, hashWithoutCore } from "../../src/exe/core-hash.ts";
import { encodeExtension, type Extension } from "../../src/exe/extension.ts";
import { CORE_BYTES, encodeCore, unsignedCore, type RegionCore } from "../../src/exe/region.ts";

export const ELF_X64 = 62;
export const ELF_ARM64 = 183;
export const GLIBC = "/lib64/ld-linux-x86-64.so.2";
export const MUSL = "/lib/ld-musl-x86_64.so.1";

/** A 64-bit little-endian ELF file with one LOAD segment and, when given, an interpreter. */
export function tinyElf(
  machine: number = ELF_X64,
  interpreter: string | undefined = GLIBC,
): Uint8Array {
  const file = new Uint8Array(1024);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, interpreter === undefined ? 1 : 2, true);
  view.setUint32(64, 1, true);
  view.setBigUint64(64 + 8, 0n, true);
  view.setBigUint64(64 + 32, BigInt(file.length), true);
  if (interpreter !== undefined) {
    const path = utf8(`${interpreter}\0`);
    file.set(path, 512);
    view.setUint32(120, 3, true);
    view.setBigUint64(120 + 8, 512n, true);
    view.setBigUint64(120 + 32, BigInt(path.length), true);
  }
  return file;
}

/**
 * The head of a Mach-O executable in normal form: __TEXT is these 1024 bytes, __LINKEDIT what follows,
 * and there is an empty place for the code signature.
 */
export function tinyMacho(cpuType = 0x0100_000c, fileType = 2): Uint8Array {
  const file = new Uint8Array(1024);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0xfeed_facf, true);
  view.setUint32(4, cpuType, true);
  view.setUint32(12, fileType, true);
  view.setUint32(16, 3, true);
  view.setUint32(20, 160, true);
  for (const [at, name, offset, sizeBytes] of [
    [32, "__TEXT", 0n, 1024n],
    [104, "__LINKEDIT", 1024n, 0n],
  ] as const) {
    view.setUint32(at, 0x19, true);
    view.setUint32(at + 4, 72, true);
    file.set(utf8(name), at + 8);
    view.setBigUint64(at + 32, sizeBytes, true);
    view.setBigUint64(at + 40, offset, true);
    view.setBigUint64(at + 48, sizeBytes, true);
  }
  view.setUint32(176, 0x1d, true);
  view.setUint32(180, 16, true);
  return file;
}

export function tinyPe(machine = 0x8664, characteristics = 0x0022): Uint8Array {
  const file = new Uint8Array(1024);
  const view = new DataView(file.buffer);
  file.set(utf8("MZ"));
  view.setUint32(0x3c, 128, true);
  file.set(utf8("PE"), 128);
  view.setUint16(132, machine, true);
  view.setUint16(128 + 20, 240, true);
  view.setUint16(128 + 22, characteristics, true);
  view.setUint16(152, 0x20b, true);
  view.setUint32(152 + 108, 16, true);
  return file;
}

export interface ImageOptions {
  readonly seed: SecretSeed;
  readonly stream?: Uint8Array;
  readonly offset?: number;
  /** Lies that the owner signs all the same, so that one check alone can find each of them. */
  readonly record?: Partial<ReleaseRecord>;
  readonly recordSeed?: SecretSeed;
  readonly extension?: Partial<Extension>;
  readonly core?: Partial<RegionCore>;
}

/** 150 kB: more than one chunk. */
export function tinyStream(header: Uint8Array = tinyElf()): Uint8Array {
  return concat(
    header,
    new Uint8Array(150_000).map((_, index) => index * 31 + (index >> 8)),
  );
}

/** A file that the owner signed, with whatever lies the options contain. */
export function signedImage(options: ImageOptions): Uint8Array {
  const { seed, stream = tinyStream(), offset = 70_000 } = options;
  const version = parseVersion("1.2.3");
  const record = signRecord(options.recordSeed ?? seed, {
    app: "tiny",
    version,
    target: "linux-x64",
    channel: "stable",
    lengthBytes: stream.length,
    regionOffset: offset,
    root: ChunkTable.ofStream(memorySource(stream)).root,
    publishedS: 1_790_000_000,
    expiresS: 0,
    x: {},
    from: undefined,
    ...options.record,
  });
  const extension: Extension = {
    app: "tiny",
    owner: publicKeyOf(seed),
    target: "linux-x64",
    channel: "stable",
    mode: "now",
    intervalSeconds: undefined,
    upload: undefined,
    bootstrap: [],
    sharedSecret: undefined,
    record: { bytes: record.bytes, signature: record.signature },
    ...options.extension,
  };
  const around = (core: RegionCore): Uint8Array =>
    concat(
      stream.subarray(0, offset),
      encodeCore(core),
      encodeExtension(extension),
      stream.subarray(offset),
    );
  return signCore(seed, offset, around, { version, ...options.core });
}

/** A file with nothing but a core, as the Rust crate makes it; any bytes will do. */
export function coreImage(options: Omit<ImageOptions, "record" | "extension">): Uint8Array {
  const { seed, stream = tinyStream(), offset = 70_000 } = options;
  const around = (core: RegionCore): Uint8Array =>
    concat(stream.subarray(0, offset), encodeCore(core), stream.subarray(offset));
  return signCore(seed, offset, around, { version: parseVersion("1.2.3"), ...options.core });
}

function signCore(
  seed: SecretSeed,
  offset: number,
  around: (core: RegionCore) => Uint8Array,
  lies: Partial<RegionCore>,
): Uint8Array {
  const blank = around(unsignedCore(undefined));
  const hash = lies.hash ?? hashWithoutCore(memorySource(blank), offset);
  const sizeBytes = lies.sizeBytes ?? blank.length - CORE_BYTES;
  const version = lies.version ?? parseVersion("1.2.3");
  const signature = lies.signature ?? sign(seed, coreMessage(version, hash, sizeBytes));
  return around({ hash, sizeBytes, version, signature });
}
