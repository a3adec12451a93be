import { askOnce } from "./ask-once.ts";
import { Version } from "./version.ts";

export interface PatchInfo {
  readonly version: Version;
  /** Bytes of the executable without the 176 bytes of its signature region's core. */
  readonly size: number;
  /** 32 bytes: what stands in the region, and what hashing the executable gives. */
  readonly hash: Uint8Array;
  /** 64 bytes: ed25519, of the owner key. */
  readonly signature: Uint8Array;
}

/** A signed executable. */
export class Patch {
  readonly info: PatchInfo;

  private constructor(info: PatchInfo) {
    this.info = info;
  }

  /**
   * The running executable, read and verified from the first byte to the last, in a thread of its own.
   * @throws {PatcherError} UNVERIFIED when it is not exactly what its owner signed.
   */
  static async fromSelf(): Promise<Patch> {
    const { version, sizeBytes, hash, signature } = await askOnce("inspect", (message) =>
      message.type === "self" ? message.self : undefined,
    );
    return new Patch({ version: Version.parse(version), size: sizeBytes, hash, signature });
  }
}
