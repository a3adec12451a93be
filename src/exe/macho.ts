/**
 * The few fields of a thin 64-bit Mach-O executable that tell its machine (mach-o/loader.h,
 * mach_header_64): magic cf fa ed fe, u32 LE cputype, cpusubtype, filetype (2 = execute), ncmds,
 * sizeofcmds. Fat files are not made by Bun and have no single content.
 */
import { fromHex } from "../core/bytes.ts";
import { Reader } from "../core/reader.ts";
import { checkRange, type ByteSource } from "../core/source.ts";
import type { Machine } from "./machine.ts";

export const MACHO_MAGIC: Uint8Array = fromHex("cffaedfe");
const HEADER_BYTES = 32;
const MH_EXECUTE = 2;
const ARCHS = new Map<number, Machine["arch"]>([
  [0x0100_0007, "x64"],
  [0x0100_000c, "arm64"],
]);

/** Undefined for a Mach-O file that is not an executable of a machine Bun runs on. */
export function readMacho(source: ByteSource): Machine | undefined {
  const reader = new Reader(source.read(0, HEADER_BYTES));
  reader.skip(MACHO_MAGIC.length);
  const arch = ARCHS.get(reader.u32le());
  reader.skip(4);
  const type = reader.u32le();
  reader.skip(4);
  const commandsBytes = reader.u32le();
  if (arch === undefined || type !== MH_EXECUTE) return undefined;
  checkRange(source, HEADER_BYTES, commandsBytes);
  return { os: "darwin", arch, libc: undefined };
}
