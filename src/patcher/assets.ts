/** What travels in the executable beside the code. */
export interface Embedded {
  /** 4096 bytes, not to be written to: the region of this executable, or the blank one. */
  readonly readRegion: () => Uint8Array;
  /** The Worker half, one script. */
  readonly workerPath: string;
  /** The thread that looks after a version on probation, one script. */
  readonly watchdogPath: string;
}

/** What `embed/` knows and the rest of the main half asks for. */
export interface Assets extends Embedded {
  /** Step 9: this version's probation, while it is on one. */
  readonly probation: () => Probation | undefined;
}

export interface Probation {
  /** From now on only the app says that it is healthy. */
  awaitApp(): void;
  /** The version is healthy: it stays. */
  confirm(): void;
}

let provided: Assets | undefined;

/** By whatever in `embed/` or `src/index.ts` was imported. */
export function provideAssets(assets: Assets): void {
  provided = assets;
}

export function ownAssets(): Assets {
  if (provided === undefined) throw new Error("the assets were not provided before their use");
  return provided;
}
