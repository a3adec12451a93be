import { ownAssets } from "./assets.ts";
import { PatcherError } from "./error.ts";
import { startFacts } from "./process-facts.ts";
import type { FromWorker, SelfInfo, ToWorker } from "./protocol.ts";
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

/** Hashing the largest executable from a slow disk. */
const TIMEOUT_MS = 120_000;

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
    const { version, sizeBytes, hash, signature } = await inspectSelf();
    return new Patch({ version: Version.parse(version), size: sizeBytes, hash, signature });
  }
}

async function inspectSelf(): Promise<SelfInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<SelfInfo>();
  const fail = (reason: string): void =>
    reject(new PatcherError("UNVERIFIED", reason, { blame: "artifact" }));
  const worker = new Worker(ownAssets().workerPath, { name: "rustpatcher-inspect" });
  const timer = setTimeout(() => fail("verifying the executable took too long"), TIMEOUT_MS);
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (data.type === "self") resolve(data.self);
    if (data.type === "unverified") fail(data.error.message);
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    fail(event.message);
  });
  worker.addEventListener("close", () => fail("verifying the executable was interrupted"));
  const request: ToWorker = { type: "inspect", execPath: startFacts.execPath };
  worker.postMessage(request);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}
