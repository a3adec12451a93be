import type { UpdateEvent } from "../src/update/events.ts";
import { isPassingCode } from "../src/update/reporter.ts";

/**
 * Why this copy does not take the newest release, after `event`: the code of what went wrong last. Trouble that
 * passes by itself is none, and a release that was verified or installed ends it.
 */
export function refusalAfter(event: UpdateEvent, before: string | undefined): string | undefined {
  switch (event.name) {
    case "error":
      return isPassingCode(event.error.code) ? before : event.error.code;
    case "verified":
    case "applied":
      return undefined;
    case "checking":
    case "available":
    case "progress":
    case "restarting":
    case "rolled-back":
    case "withdrawn":
      return before;
  }
}
