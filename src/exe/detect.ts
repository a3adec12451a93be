import { equal, toHex } from "../core/bytes.ts";
import { CoreError } from "../core/core-error.ts";
import type { ByteSource } from "../core/source.ts";
import { ELF_MAGIC, readElf } from "./elf.ts";
import { ExeError } from "./error.ts";
import type { Machine } from "./machine.ts";
import { MACHO_MAGIC, readMacho } from "./macho.ts";
import { PE_MAGIC, readPe } from "./pe.ts";

const FORMATS = [
  { magic: ELF_MAGIC, read: readElf },
  { magic: MACHO_MAGIC, read: readMacho },
  { magic: PE_MAGIC, read: readPe },
];

/**
 * The machine an executable is for, from its header.
 * @throws {ExeError} FORMAT_UNKNOWN when it is not an executable, or several, or was cut off.
 */
export function detectMachine(source: ByteSource): Machine {
  refuseUniversal(source);
  const machine = tryDetectMachine(source);
  if (machine === undefined) {
    throw new ExeError(
      "FORMAT_UNKNOWN",
      "this is not a whole Linux, macOS or Windows executable for x64 or arm64",
      { blame: "artifact" },
    );
  }
  return machine;
}

/** fat_header and fat_header of 64 bits (mach-o/fat.h), in both byte orders. */
const FAT_MAGICS = ["cafebabe", "bebafeca", "cafebabf", "bfbafeca"];

/**
 * A file with several executables in it would have a region in each.
 * @throws {ExeError} FORMAT_UNKNOWN
 */
export function refuseUniversal(source: ByteSource): void {
  if (source.sizeBytes < 4 || !FAT_MAGICS.includes(toHex(source.read(0, 4)))) return;
  throw new ExeError(
    "FORMAT_UNKNOWN",
    "this is a universal (fat) macOS file: sign and publish one file for each processor",
    { blame: "usage" },
  );
}

/** As detectMachine, but undefined for what is not a whole executable. */
export function tryDetectMachine(source: ByteSource): Machine | undefined {
  for (const { magic, read } of FORMATS) {
    if (source.sizeBytes < magic.length || !equal(source.read(0, magic.length), magic)) continue;
    try {
      return read(source);
    } catch (error) {
      // A header that points outside of the file.
      if (error instanceof RangeError || error instanceof CoreError) return undefined;
      throw error;
    }
  }
  return undefined;
}
