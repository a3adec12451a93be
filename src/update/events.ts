/** What an updater tells whoever started it. Plain data: it crosses from the Worker to the app. */

export interface ReleaseInfo {
  readonly version: string;
  /** Of the whole executable. */
  readonly sizeBytes: number;
  /** Unix seconds. */
  readonly publishedS: number;
  /** The owner says that it matters: not held back by a rollout. */
  readonly critical: boolean;
  /**
   * Release notes, as signed: text without control characters. Known once a peer has given them, so with
   * `available` as a rule; absent when there are none.
   */
  readonly notes?: string;
}

export interface ProgressInfo extends ReleaseInfo {
  /** Of the executable: fetched from peers so far. */
  readonly doneBytes: number;
  /** Of the executable: to fetch from peers, those of doneBytes included. */
  readonly totalBytes: number;
  /** Of the executable: here already, in the running version or from an interrupted download. */
  readonly reusedBytes: number;
  /** What came over the wire for doneBytes: less, since it was compressed or a difference. */
  readonly wireBytes: number;
  /** Over the wire, in the last seconds. */
  readonly bytesPerSecond: number;
  /** Peers it comes from. */
  readonly providers: number;
  /** At the speed of the last seconds; absent while nothing moves. */
  readonly secondsLeft?: number;
}

export interface ErrorInfo {
  /** Of the error classes of this project; "UNKNOWN" for any other error. */
  readonly code: string;
  readonly message: string;
}

export type UpdateEvent =
  /** Step 1: looking for a newer release. */
  | { readonly name: "checking" }
  /** Step 2: the owner has withdrawn the installed version; `release` is the one to go back to. */
  | { readonly name: "withdrawn"; readonly version: string; readonly release: ReleaseInfo }
  /** Step 2: there is one. */
  | { readonly name: "available"; readonly release: ReleaseInfo }
  /** Step 4. */
  | { readonly name: "progress"; readonly progress: ProgressInfo }
  /** Step 6. */
  | { readonly name: "verified"; readonly release: ReleaseInfo }
  /** Step 7: the executable is the new version. */
  | { readonly name: "applied"; readonly release: ReleaseInfo }
  /** Step 8: this process is about to become the new version. */
  | { readonly name: "restarting"; readonly release: ReleaseInfo }
  /** Step 9: this version was put back, because the newer one failed before it was healthy; and how. */
  | { readonly name: "rolled-back"; readonly version: string; readonly reason: string }
  | { readonly name: "error"; readonly error: ErrorInfo };
