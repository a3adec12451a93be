/**
 * The few fields of an ELF64 little-endian executable that tell its machine (System V gABI, chapters 4
 * and 5):
 *
 *   off size field                          program header, 56 bytes
 *     0   4  7f "ELF"                          0  4  p_type    1 LOAD, 3 INTERP
 *     4   1  class       2 = 64 bit            8  8  p_offset
 *     5   1  data        1 = little endian    32  8  p_filesz
 *    16   2  e_type      2 EXEC, 3 DYN
 *    18   2  e_machine   62 x86-64, 183 AArch64
 *    32   8  e_phoff     54 2 e_phentsize     56  2  e_phnum
 */
import { fromHex, toAscii } from "../core/bytes.ts";
import { Reader } from "../core/reader.ts";
import { checkRange, type ByteSource } from "../core/source.ts";
import type { Machine } from "./machine.ts";

export const ELF_MAGIC: Uint8Array = fromHex("7f454c46");
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PROGRAM_HEADERS_MAX = 128;
const PT_LOAD = 1;
const PT_INTERP = 3;
const INTERPRETER_MAX_BYTES = 256;
const ARCHS = new Map<number, Machine["arch"]>([
  [62, "x64"],
  [183, "arm64"],
]);

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Undefined for an ELF file that is not a whole 64-bit executable of a machine Bun runs on. */
export function readElf(source: ByteSource): Machine | undefined {
  const reader = new Reader(source.read(0, HEADER_BYTES).slice());
  reader.skip(ELF_MAGIC.length);
  if (reader.u8() !== 2 || reader.u8() !== 1) return undefined;
  reader.skip(10);
  const type = reader.u16le();
  const arch = ARCHS.get(reader.u16le());
  reader.skip(12);
  const tableOffset = reader.u64le();
  reader.skip(14);
  const entryBytes = reader.u16le();
  const count = reader.u16le();
  if ((type !== 2 && type !== 3) || arch === undefined) return undefined;
  if (entryBytes !== PROGRAM_HEADER_BYTES || count > PROGRAM_HEADERS_MAX) return undefined;
  // A bigint above the file size would lose digits as a number; the comparison comes first.
  if (tableOffset > BigInt(source.sizeBytes)) return undefined;
  const segments = readSegments(source, Number(tableOffset), count);
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  if (interpreter === undefined) return { os: "linux", arch, libc: undefined };
  if (interpreter.sizeBytes > INTERPRETER_MAX_BYTES) return undefined;
  const path = toAscii(source.read(interpreter.offset, interpreter.sizeBytes));
  return { os: "linux", arch, libc: path.includes("/ld-musl-") ? "musl" : "glibc" };
}

/** @throws {RangeError} when the table or a segment is not inside the file: it was cut off. */
function readSegments(source: ByteSource, offset: number, count: number): Segment[] {
  const reader = new Reader(source.read(offset, count * PROGRAM_HEADER_BYTES).slice());
  return Array.from({ length: count }, () => {
    const type = reader.u32le();
    reader.skip(4);
    const at = Number(reader.u64le());
    reader.skip(16);
    const sizeBytes = Number(reader.u64le());
    reader.skip(16);
    if (type === PT_LOAD || type === PT_INTERP) checkRange(source, at, sizeBytes);
    return { type, offset: at, sizeBytes };
  });
}
