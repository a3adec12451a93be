import { updateModeText } from "../core/update-mode.ts";
import { PatcherError } from "./error.ts";

/** When a new version takes over. Also what package.json and `--mode` take. */
export type UpdaterMode = "now" | "on-restart" | "manual" | "background" | `at ${string}`;

export const UpdaterMode = {
  /** Restart into it as soon as it is verified. */
  Now: "now",
  /** Install it; it runs when the app is started the next time. */
  OnRestart: "on-restart",
  /** Tell the app, which calls `patcher.apply()`. */
  Manual: "manual",
  /**
   * For command-line programs that run for a moment: when one ends, and it is time to look, a process of its own
   * fetches and installs the new version; it runs when the program is started the next time.
   */
  Background: "background",
  /** Install it, and restart at this local time of day. @throws {PatcherError} MODE_INVALID */
  At(hour: number, minute: number): UpdaterMode {
    if (!isWithin(hour, 23) || !isWithin(minute, 59)) {
      throw new PatcherError("MODE_INVALID", "write UpdaterMode.At(0 to 23, 0 to 59)", {
        blame: "usage",
        hour,
        minute,
      });
    }
    return updateModeText({ kind: "at", hour, minute }) as UpdaterMode;
  },
} as const;

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
