/** The API of `import … from "rustpatcher"`. `import "rustpatcher/auto"` needs none of it. */
import { beginMainHalf } from "../embed/begin.ts";
import { embedded } from "../embed/embedded.ts";
import { ownAssets } from "./patcher/assets.ts";
import { startPatcher, type BeforeRestart, type Patcher } from "./patcher/patcher.ts";
import type { UpdaterMode } from "./patcher/updater-mode.ts";

export { RustpatcherError } from "./core/error.ts";
export { PatcherError, type PatcherErrorCode } from "./patcher/error.ts";
export { Patch, type PatchInfo } from "./patcher/patch.ts";
export { Patcher, type BeforeRestart, type PatcherEvents } from "./patcher/patcher.ts";
export { UpdaterMode } from "./patcher/updater-mode.ts";
export { Version } from "./patcher/version.ts";
export type { Status } from "./update/status.ts";
export type { ProgressInfo, ReleaseInfo } from "./update/events.ts";

export interface SpawnOptions {
  /** Default: the mode that was stamped in at build time. */
  readonly mode?: UpdaterMode;
  /** Between two looks for a newer release, 1 to 86,400. */
  readonly intervalSeconds?: number;
  /**
   * When a new version counts as healthy and stays: after it has run for ten seconds or ended with code 0,
   * or only when the app calls `patcher.healthy()`. Default: "auto".
   */
  readonly confirm?: "auto" | "manual";
  /** As `patcher.beforeRestart(hook)`, which takes another time limit than 10 seconds as well. */
  readonly beforeRestart?: BeforeRestart;
  /**
   * What this copy sends to others: "off", "unlimited", or a rate such as "500 KB/s". Default: what was stamped
   * in, else 1 MB/s. It updates itself in any case.
   */
  readonly upload?: string;
  /** "host:port" of nodes of a private network, in place of HyperDHT's public ones. */
  readonly bootstrap?: readonly string[];
}

beginMainHalf(embedded);

/**
 * Starts updating this program, in a thread of its own. A second call, or one beside
 * `import "rustpatcher/auto"`, returns the patcher that runs already. In a program that is not a signed
 * executable it says so once on stderr and returns an inactive one. RUSTPATCHER_BOOTSTRAP, RUSTPATCHER_INTERVAL
 * and RUSTPATCHER_UPLOAD win over the options.
 * @throws {CoreError} FIELD_INVALID for a mode that does not exist.
 */
export async function spawn(options: UpdaterMode | SpawnOptions = {}): Promise<Patcher> {
  const { confirm, beforeRestart, ...overrides } =
    typeof options === "string" ? { mode: options } : options;
  if (confirm === "manual") ownAssets().probation()?.awaitApp();
  const patcher = startPatcher(overrides);
  if (beforeRestart !== undefined) patcher.beforeRestart(beforeRestart);
  return patcher;
}
