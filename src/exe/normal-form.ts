/**
 * The normal form of an executable: what is left of it when everything is taken away that an operating
 * system's own signature adds, and that could not be signed by the owner, because it is made afterwards or
 * out of what the owner signs. Hashed and exchanged is the normal form; the rest follows from it.
 *
 *   ELF      the file itself
 *   Mach-O   without the signature at its end; zeros in LC_CODE_SIGNATURE dataoff and datasize, and in
 *            __LINKEDIT filesize and vmsize (macho-layout.ts)
 *   PE       without the certificate table at its end; zeros in its directory entry and in the checksum
 *            (pe-layout.ts)
 *
 * No byte is left to anybody's choice: the fields follow from the length of the signature, which ends the
 * file, and the signature is either the one `completion` makes, byte for byte, or one by a certificate,
 * which the operating system judges. What peers give us is always completed by ourselves.
 */
import { equal, u64le } from "../core/bytes.ts";
import { CoreError } from "../core/core-error.ts";
import { CODE_SIGNATURE_MAX_BYTES } from "../core/limits.ts";
import { masked, type ByteSource } from "../core/source.ts";
import { certificateName } from "./certificate-name.ts";
import {
  adHocBytes,
  adHocSignature,
  checkCodeDirectories,
  cmsOf,
  macosSigner,
} from "./code-directory.ts";
import { codeSignatureInvalid, ExeError } from "./error.ts";
import { MACHO_MAGIC } from "./macho.ts";
import { machoLayout, machoSignatureFields, type MachoLayout } from "./macho-layout.ts";
import { PE_MAGIC } from "./pe.ts";
import { checkAuthenticode, peLayout, type PeLayout } from "./pe-layout.ts";

/** Bytes that belong at a place of a file; the place may be its end. */
export interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export type CodeSignature = "none" | "ad-hoc" | "cms" | "authenticode";

type Layout =
  | { readonly format: "macho"; readonly at: MachoLayout }
  | { readonly format: "pe"; readonly at: PeLayout }
  | { readonly format: "plain" };

/** Segments end at whole pages of 16 KiB, as Apple's linker has it on both machines. */
const PAGE_BYTES = 16_384;

/**
 * A view of `source`; of a file that is in normal form, the same bytes.
 * @throws {ExeError} CODE_SIGNATURE_INVALID
 */
export function normalForm(source: ByteSource): ByteSource {
  const layout = layoutOf(source);
  switch (layout.format) {
    case "plain":
      return source;
    case "macho":
      return masked(source, layout.at.contentBytes, machoSignatureFields(layout.at));
    case "pe":
      return masked(source, layout.at.contentBytes, peFields(layout.at));
  }
}

/**
 * What turns a normal form into the file to install, in the order of writing: nothing but for Mach-O, whose
 * ad-hoc signature is made here.
 * @throws {ExeError} CODE_SIGNATURE_INVALID
 */
export function completion(normal: ByteSource): readonly Piece[] {
  const layout = layoutOf(normal);
  if (layout.format !== "macho") return [];
  const { contentBytes, linkedit, text } = layout.at;
  const fileBytes = contentBytes + adHocBytes(contentBytes) - linkedit.fileOffset;
  const vmBytes = Math.ceil(fileBytes / PAGE_BYTES) * PAGE_BYTES;
  const values = [
    u64le((BigInt(adHocBytes(contentBytes)) << 32n) | BigInt(contentBytes)),
    u64le(vmBytes),
    u64le(fileBytes),
  ];
  const fields = machoSignatureFields(layout.at).map(({ offset }, index) => ({
    offset,
    bytes: values[index] ?? new Uint8Array(8),
  }));
  const signed = adHocSignature(withPieces(normal, fields), text.fileBytes);
  return [...fields, { offset: contentBytes, bytes: signed }];
}

/**
 * The operating system's signature fits the file, and nothing in it is left to choose.
 * @throws {ExeError} CODE_SIGNATURE_INVALID
 */
export function checkCodeSignature(source: ByteSource): CodeSignature {
  const layout = layoutOf(source);
  switch (layout.format) {
    case "plain":
      return "none";
    case "pe":
      if (layout.at.certificateBytes > 0) {
        guarded(() => checkAuthenticode(source, layout.at));
        return "authenticode";
      }
      if (layout.at.checksum !== 0) {
        throw codeSignatureInvalid("there is a checksum in the header, and no certificate");
      }
      return "none";
    case "macho":
      return checkMacho(source, layout.at);
  }
}

/** The file itself when it has no normal form. */
export function tryNormalForm(source: ByteSource): ByteSource {
  try {
    return normalForm(source);
  } catch (error) {
    if (error instanceof ExeError) return source;
    throw error;
  }
}

/** The kind of signature, right or wrong; undefined when it cannot be told. */
export function tryCodeSignature(source: ByteSource): CodeSignature | undefined {
  try {
    const layout = layoutOf(source);
    if (layout.format === "plain") return "none";
    if (layout.format === "pe") return layout.at.certificateBytes > 0 ? "authenticode" : "none";
    if (layout.at.signatureBytes === 0) return "none";
    return guarded(() => macosSigner(signatureOf(source, layout.at)));
  } catch (error) {
    if (error instanceof ExeError) return undefined;
    throw error;
  }
}

/** The name in the certificate of a macOS signature, as it stands there; undefined when there is none. */
export function tryCodeSigner(source: ByteSource): string | undefined {
  if (tryCodeSignature(source) !== "cms") return undefined;
  const layout = layoutOf(source);
  const cms = layout.format === "macho" ? cmsOf(signatureOf(source, layout.at)) : undefined;
  return cms && certificateName(cms);
}

function checkMacho(source: ByteSource, layout: MachoLayout): CodeSignature {
  const { contentBytes, linkedit } = layout;
  const signature = signatureOf(source, layout);
  const content = masked(source, contentBytes, []);
  if (guarded(() => checkCodeDirectories(signature, content)) === "cms") {
    // Whoever signs with a certificate rounds up to one kind of page or the other, and to no third.
    const isRounded = [4096, PAGE_BYTES].some(
      (page) => linkedit.vmBytes === Math.ceil(linkedit.fileBytes / page) * page,
    );
    if (!isRounded) throw codeSignatureInvalid("the last segment has another size in memory");
    return "cms";
  }
  for (const { offset, bytes } of completion(normalForm(source))) {
    const isThere = offset + bytes.length <= source.sizeBytes;
    if (!isThere || !equal(source.read(offset, bytes.length), bytes)) {
      throw codeSignatureInvalid("it is an ad-hoc one, but not the one that `sign` writes");
    }
  }
  return "ad-hoc";
}

function signatureOf(source: ByteSource, layout: MachoLayout): Uint8Array {
  if (layout.signatureBytes > CODE_SIGNATURE_MAX_BYTES)
    throw codeSignatureInvalid("it is too large");
  return source.read(layout.contentBytes, layout.signatureBytes).slice();
}

function layoutOf(source: ByteSource): Layout {
  const starts = (magic: Uint8Array): boolean =>
    source.sizeBytes >= magic.length && equal(source.read(0, magic.length), magic);
  if (starts(MACHO_MAGIC)) return { format: "macho", at: guarded(() => machoLayout(source)) };
  if (starts(PE_MAGIC)) return { format: "pe", at: guarded(() => peLayout(source)) };
  return { format: "plain" };
}

function peFields({ checksumOffset, directoryOffset }: PeLayout) {
  return [
    { offset: checksumOffset, sizeBytes: 4 },
    { offset: directoryOffset, sizeBytes: 8 },
  ];
}

function withPieces(source: ByteSource, pieces: readonly Piece[]): ByteSource {
  return {
    sizeBytes: source.sizeBytes,
    read(at, count) {
      const out = Uint8Array.from(source.read(at, count));
      for (const { offset, bytes } of pieces) {
        const from = Math.max(at, offset);
        const to = Math.min(at + count, offset + bytes.length);
        if (from < to) out.set(bytes.subarray(from - offset, to - offset), from - at);
      }
      return out;
    },
  };
}

/** A header that points outside of the file is as wrong as any other. */
function guarded<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof RangeError || cause instanceof CoreError) {
      throw codeSignatureInvalid("it is cut off");
    }
    throw cause;
  }
}
