/**
 * Where Apple's code signature stands in a thin 64-bit Mach-O executable, and the four fields that whoever
 * replaces it has to change (mach-o/loader.h; all numbers LE):
 *
 *   mach_header_64, 32 bytes            segment_command_64, 72 bytes + sections
 *     16  4 ncmds   20  4 sizeofcmds       8 16 segname   40  8 fileoff   48  8 filesize   32  8 vmsize
 *   linkedit_data_command, 16 bytes, LC_CODE_SIGNATURE
 *      8  4 dataoff   12  4 datasize
 *
 * Every other byte before the signature is content, and covered by the owner's hash.
 */
import { equal, utf8 } from "../core/bytes.ts";
import { MACHO_COMMANDS_MAX, MACHO_COMMANDS_MAX_BYTES } from "../core/limits.ts";
import { Reader } from "../core/reader.ts";
import type { ByteSource } from "../core/source.ts";
import { codeSignatureInvalid } from "./error.ts";

const HEADER_BYTES = 32;
const COMMAND_MIN_BYTES = 8;
const SEGMENT_MIN_BYTES = 72;
const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;
const NAME_BYTES = 16;
/** codesign and linkers put the signature there. */
export const MACHO_ALIGNMENT = 16;

interface Segment {
  readonly commandOffset: number;
  readonly vmBytes: number;
  readonly fileOffset: number;
  readonly fileBytes: number;
}

export interface MachoLayout {
  /** Of the file with its signature, or without it in normal form: where the signature begins. */
  readonly contentBytes: number;
  /** 0 in normal form. */
  readonly signatureBytes: number;
  readonly signatureCommandOffset: number;
  readonly text: Segment;
  readonly linkedit: Segment;
}

/**
 * Strict: the signature ends the file, __LINKEDIT ends with it and is the last segment, and the load
 * commands fill their space exactly.
 * @throws {ExeError} CODE_SIGNATURE_INVALID @throws {CoreError} TRUNCATED @throws {RangeError}
 */
export function machoLayout(source: ByteSource): MachoLayout {
  const header = new Reader(source.read(0, HEADER_BYTES).slice());
  header.skip(16);
  const count = header.u32le();
  const commandsBytes = header.u32le();
  if (count > MACHO_COMMANDS_MAX || commandsBytes > MACHO_COMMANDS_MAX_BYTES) {
    throw codeSignatureInvalid("it has too many load commands");
  }
  const reader = new Reader(source.read(HEADER_BYTES, commandsBytes).slice());
  const segments: (Segment & { readonly name: Uint8Array })[] = [];
  const signatures: { commandOffset: number; offset: number; sizeBytes: number }[] = [];
  for (let index = 0; index < count; index++) {
    const commandOffset = HEADER_BYTES + reader.offset;
    const command = reader.u32le();
    const sizeBytes = reader.u32le();
    if (sizeBytes < COMMAND_MIN_BYTES || sizeBytes % 8 !== 0) {
      throw codeSignatureInvalid("a load command has an impossible size");
    }
    const body = new Reader(reader.bytes(sizeBytes - COMMAND_MIN_BYTES));
    if (command === LC_SEGMENT_64) segments.push(readSegment(body, commandOffset));
    if (command !== LC_CODE_SIGNATURE) continue;
    signatures.push({ commandOffset, offset: body.u32le(), sizeBytes: body.u32le() });
    body.end();
  }
  reader.end();
  const [signature, ...others] = signatures;
  if (signature === undefined || others.length > 0) {
    throw codeSignatureInvalid("it has none, or more than one");
  }
  const text = named(segments, "__TEXT");
  const linkedit = named(segments, "__LINKEDIT");
  const isNormal = signature.offset === 0 && signature.sizeBytes === 0;
  const contentBytes = isNormal ? source.sizeBytes : signature.offset;
  const endBytes = isNormal ? 0 : source.sizeBytes - linkedit.fileOffset;
  const isLast = segments.every(
    (one) => one === linkedit || one.fileOffset + one.fileBytes <= linkedit.fileOffset,
  );
  if (
    contentBytes + signature.sizeBytes !== source.sizeBytes ||
    contentBytes % MACHO_ALIGNMENT !== 0 ||
    linkedit.fileOffset < HEADER_BYTES + commandsBytes ||
    linkedit.fileOffset > contentBytes ||
    linkedit.fileBytes !== endBytes ||
    !isLast
  ) {
    throw codeSignatureInvalid("it does not stand at the end of the file, behind everything else");
  }
  return {
    contentBytes,
    signatureBytes: signature.sizeBytes,
    signatureCommandOffset: signature.commandOffset,
    text,
    linkedit,
  };
}

/** The fields that go with the signature; zeros in normal form. */
export function machoSignatureFields(
  layout: MachoLayout,
): readonly { readonly offset: number; readonly sizeBytes: number }[] {
  return [
    { offset: layout.signatureCommandOffset + 8, sizeBytes: 8 },
    { offset: layout.linkedit.commandOffset + 32, sizeBytes: 8 },
    { offset: layout.linkedit.commandOffset + 48, sizeBytes: 8 },
  ];
}

function readSegment(body: Reader, commandOffset: number): Segment & { name: Uint8Array } {
  if (body.remaining < SEGMENT_MIN_BYTES - COMMAND_MIN_BYTES) {
    throw codeSignatureInvalid("a segment command is cut off");
  }
  const name = body.bytes(NAME_BYTES);
  body.skip(8);
  const [vmBytes, fileOffset, fileBytes] = [body.u64le(), body.u64le(), body.u64le()];
  return {
    name,
    commandOffset,
    // Addresses may be larger than a number holds exactly; what decides anything is a place in the file.
    vmBytes: Number(vmBytes),
    fileOffset: Number(fileOffset),
    fileBytes: Number(fileBytes),
  };
}

function named<T extends { readonly name: Uint8Array }>(segments: readonly T[], name: string): T {
  const wanted = new Uint8Array(NAME_BYTES);
  wanted.set(utf8(name));
  const [segment, ...others] = segments.filter((one) => equal(one.name, wanted));
  if (segment === undefined || others.length > 0) {
    throw codeSignatureInvalid(`there is not one segment ${name}`);
  }
  return segment;
}
