/**
 * The few fields of a PE executable that tell its machine (Microsoft PE Format): "MZ", at 0x3c the u32
 * LE offset of "PE" 00 00, then u16 LE machine and at +18 from there u16 LE characteristics (bit 1 = may
 * be run, bit 13 = DLL).
 */
import { equal, fromHex } from "../core/bytes.ts";
import { Reader } from "../core/reader.ts";
import type { ByteSource } from "../core/source.ts";
import type { Machine } from "./machine.ts";

export const PE_MAGIC: Uint8Array = fromHex("4d5a");
const SIGNATURE = fromHex("50450000");
const DOS_HEADER_BYTES = 64;
const FILE_HEADER_BYTES = SIGNATURE.length + 20;
const EXECUTABLE_IMAGE = 0x0002;
const DLL = 0x2000;
const ARCHS = new Map<number, Machine["arch"]>([
  [0x8664, "x64"],
  [0xaa64, "arm64"],
]);

/** Undefined for a file that is not a PE executable of a machine Bun runs on. */
export function readPe(source: ByteSource): Machine | undefined {
  const dos = new Reader(source.read(0, DOS_HEADER_BYTES));
  dos.skip(0x3c);
  const reader = new Reader(source.read(dos.u32le(), FILE_HEADER_BYTES));
  if (!equal(reader.bytes(SIGNATURE.length), SIGNATURE)) return undefined;
  const arch = ARCHS.get(reader.u16le());
  reader.skip(16);
  const characteristics = reader.u16le();
  const isProgram = (characteristics & (EXECUTABLE_IMAGE | DLL)) === EXECUTABLE_IMAGE;
  return arch === undefined || !isProgram ? undefined : { os: "windows", arch, libc: undefined };
}
