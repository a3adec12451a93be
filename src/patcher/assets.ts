/** What travels in the executable beside the code; `embed/` knows where it lies. */
export interface Assets {
  /** 4096 new bytes: the region of this executable, or the blank one. */
  readonly readRegion: () => Uint8Array;
  /** Step 9: this version's probation, while it is on one. */
  readonly probation: () => Probation | undefined;
  /** The Worker half, one script. */
  readonly workerPath: string;
}

export interface Probation {
  /** From now on only the app says that it is healthy. */
  awaitApp(): void;
  /** The version is healthy: it stays. */
  confirm(): void;
}

let provided: Assets | undefined;

/** Once, by whatever in `embed/` or `src/index.ts` was imported. */
export function provideAssets(assets: Assets): void {
  provided = assets;
}

export function ownAssets(): Assets {
  if (provided === undefined) throw new Error("the assets were not provided before their use");
  return provided;
}
