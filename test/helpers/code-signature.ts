/**
 * A second reading of Apple's code signatures, by another hand than src/exe: DataView, node:crypto and
 * xnu's cs_blobs.h; and a maker of signatures such as `codesign` makes with a certificate.
 */
import { createHash } from "node:crypto";

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export interface ReadSignature {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly flags: number;
  readonly pageBytes: number;
  readonly pages: number;
  /** Indexes of pages whose slot holds another hash. */
  readonly wrongPages: readonly number[];
  /** Where the pages end. */
  readonly limit: number;
}

export function readSignature(file: Buffer): ReadSignature {
  let at = 32;
  let offset = 0;
  let sizeBytes = 0;
  for (let index = 0; index < file.readUInt32LE(16); index++) {
    if (file.readUInt32LE(at) === 0x1d) {
      offset = file.readUInt32LE(at + 8);
      sizeBytes = file.readUInt32LE(at + 12);
    }
    at += file.readUInt32LE(at + 4);
  }
  const blob = file.subarray(offset, offset + sizeBytes);
  const directory = blob.subarray(blob.readUInt32BE(16));
  const hashes = directory.readUInt32BE(16);
  const pages = directory.readUInt32BE(28);
  const limit = directory.readUInt32BE(32);
  const pageBytes = 2 ** directory.readUInt8(39);
  const wrongPages = Array.from({ length: pages }, (_, page) => page).filter((page) => {
    const bytes = file.subarray(page * pageBytes, Math.min(limit, (page + 1) * pageBytes));
    const slot = directory.subarray(hashes + 32 * page, hashes + 32 * page + 32);
    return !sha256(bytes).equals(slot);
  });
  return {
    offset,
    sizeBytes,
    flags: directory.readUInt32BE(12),
    pageBytes,
    pages,
    wrongPages,
    limit,
  };
}

export interface CodesignOptions {
  readonly identifier?: string;
  readonly flags?: number;
  readonly pageBits?: number;
  readonly hashType?: number;
  readonly entitlements?: string;
  /** undefined: no certificate. */
  readonly cms?: Uint8Array | undefined;
  /** Zeros that `codesign` leaves behind the blobs. */
  readonly slackBytes?: number;
}

/** The file as `codesign` leaves it: fields, blobs, slots. `file` may carry another signature already. */
export function codesign(file: Uint8Array, options: CodesignOptions = {}): Buffer {
  const { identifier = "org.example.app", flags = 0x1_0000, pageBits = 14 } = options;
  const { entitlements = "<plist/>", slackBytes = 40, hashType = 2 } = options;
  const cms = "cms" in options ? options.cms : Buffer.alloc(900, 0x30);
  const before = readFields(Buffer.from(file));
  const content = Buffer.from(before.content);
  const pages = Math.ceil(content.length / 2 ** pageBits);
  const special = 7;
  const name = Buffer.from(`${identifier}\0`);
  const hashOffset = 88 + name.length + special * 32;
  const requirements = blob(0xfade_0c01, Buffer.alloc(4));
  const plist = blob(0xfade_7171, Buffer.from(entitlements));
  const certificate = blob(0xfade_0b01, Buffer.from(cms ?? []));
  const directoryBytes = hashOffset + pages * 32;
  const blobs = [Buffer.alloc(directoryBytes), requirements, plist, certificate];
  const slots = [0, 2, 5, 0x1_0000];
  const length = 12 + 8 * blobs.length + blobs.reduce((sum, { length: size }) => sum + size, 0);
  const sizeBytes = length + slackBytes;
  content.writeUInt32LE(content.length, before.command + 8);
  content.writeUInt32LE(sizeBytes, before.command + 12);
  const linkeditBytes = content.length + sizeBytes - before.linkeditOffset;
  content.writeBigUInt64LE(
    BigInt(Math.ceil(linkeditBytes / 16_384) * 16_384),
    before.linkedit + 32,
  );
  content.writeBigUInt64LE(BigInt(linkeditBytes), before.linkedit + 48);
  const directory = blobs[0] ?? Buffer.alloc(0);
  for (const [index, value] of [
    0xfade_0c02,
    directoryBytes,
    0x2_0500,
    flags,
    hashOffset,
    88,
    special,
    pages,
    content.length,
  ].entries()) {
    directory.writeUInt32BE(value, index * 4);
  }
  directory.set([32, hashType, 0, pageBits], 36);
  name.copy(directory, 88);
  sha256(requirements).copy(directory, hashOffset - 2 * 32);
  sha256(plist).copy(directory, hashOffset - 5 * 32);
  for (let page = 0; page < pages; page++) {
    const bytes = content.subarray(page * 2 ** pageBits, (page + 1) * 2 ** pageBits);
    sha256(bytes).copy(directory, hashOffset + page * 32);
  }
  const head = Buffer.alloc(12 + 8 * blobs.length);
  head.writeUInt32BE(0xfade_0cc0, 0);
  head.writeUInt32BE(length, 4);
  head.writeUInt32BE(blobs.length, 8);
  let at = head.length;
  for (const [index, { length: size }] of blobs.entries()) {
    head.writeUInt32BE(slots[index] ?? 0, 12 + 8 * index);
    head.writeUInt32BE(at, 16 + 8 * index);
    at += size;
  }
  return Buffer.concat([content, head, ...blobs, Buffer.alloc(slackBytes)]);
}

/** A file of `codesign` whose content was changed, with every slot of a page made right again. */
export function resealed(file: Uint8Array): Buffer {
  const out = Buffer.from(file);
  const { offset, pages, pageBytes, limit } = readSignature(out);
  const directory = offset + out.readUInt32BE(offset + 16);
  const slots = directory + out.readUInt32BE(directory + 16);
  for (let page = 0; page < pages; page++) {
    const bytes = out.subarray(page * pageBytes, Math.min(limit, (page + 1) * pageBytes));
    out.set(sha256(bytes), slots + 32 * page);
  }
  return out;
}

function blob(magic: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(magic, 0);
  head.writeUInt32BE(8 + bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

function readFields(file: Buffer) {
  let command = 0;
  let linkedit = 0;
  for (let index = 0, at = 32; index < file.readUInt32LE(16); index++) {
    const kind = file.readUInt32LE(at);
    if (kind === 0x1d) command = at;
    if (kind === 0x19 && file.toString("latin1", at + 8, at + 18) === "__LINKEDIT") linkedit = at;
    at += file.readUInt32LE(at + 4);
  }
  const content = file.subarray(0, file.readUInt32LE(command + 8) || file.length);
  return {
    command,
    linkedit,
    linkeditOffset: Number(file.readBigUInt64LE(linkedit + 40)),
    content,
  };
}

/** The file as an Authenticode signer leaves it, with a certificate of zeros and a right checksum. */
export function authenticode(file: Uint8Array, entryBytes = 1456): Buffer {
  const out = Buffer.concat([file, Buffer.alloc(entryBytes)]);
  out.writeUInt32LE(entryBytes, file.length);
  out.writeUInt16LE(0x0200, file.length + 4);
  out.writeUInt16LE(2, file.length + 6);
  const optional = out.readUInt32LE(0x3c) + 24;
  out.writeUInt32LE(file.length, optional + 144);
  out.writeUInt32LE(entryBytes, optional + 148);
  out.writeUInt32LE(0, optional + 64);
  let sum = 0;
  for (let at = 0; at < out.length; at += 2) {
    sum += out.readUInt16LE(at);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  out.writeUInt32LE(sum + out.length, optional + 64);
  return out;
}
