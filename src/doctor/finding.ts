import { RustpatcherError } from "../core/error.ts";

/** ok · warn: it works, but not as well as it could · fail: updates do not work like this. */
export type Level = "ok" | "warn" | "fail";

export interface Finding {
  readonly name: string;
  readonly level: Level;
  /** What was found. */
  readonly text: string;
  /** What to do about it. */
  readonly advice?: string;
}

export function ok(name: string, text: string): Finding {
  return { name, level: "ok", text };
}

export function warn(name: string, text: string, advice: string): Finding {
  return { name, level: "warn", text, advice };
}

export function fail(name: string, text: string, advice: string): Finding {
  return { name, level: "fail", text, advice };
}

/** What `look` finds, or the refusal that it ends with. Anything but a refusal is a bug and goes on. */
export function attempt(name: string, advice: string, look: () => Finding): Finding {
  try {
    return look();
  } catch (error) {
    if (error instanceof RustpatcherError) return fail(name, error.message, advice);
    throw error;
  }
}
