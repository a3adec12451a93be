import { CoreError } from "./core-error.ts";

/** When a verified update becomes the running version. */
export type UpdateMode =
  | { readonly kind: "now" }
  | { readonly kind: "on-restart" }
  | { readonly kind: "manual" }
  /** For programs that run for a moment: a process of its own, when they end. */
  | { readonly kind: "background" }
  /** Local time. */
  | { readonly kind: "at"; readonly hour: number; readonly minute: number };

const AT = /^at ([01][0-9]|2[0-3]):([0-5][0-9])$/;

/** The modes that are one word. */
const WORDS = ["now", "on-restart", "manual", "background"] as const;

/** "now", "on-restart", "manual", "background" or "at HH:MM". @throws {CoreError} FIELD_INVALID */
export function parseUpdateMode(text: string): UpdateMode {
  const word = WORDS.find((one) => one === text);
  if (word !== undefined) return { kind: word };
  const [, hour, minute] = AT.exec(text) ?? [];
  if (hour !== undefined && minute !== undefined) {
    return { kind: "at", hour: Number(hour), minute: Number(minute) };
  }
  throw new CoreError(
    "FIELD_INVALID",
    `"${text.slice(0, 40)}" is not an update mode: write now, on-restart, manual, background or at HH:MM`,
    { blame: "usage" },
  );
}

/** The text that parseUpdateMode reads. */
export function updateModeText(mode: UpdateMode): string {
  if (mode.kind !== "at") return mode.kind;
  const two = (value: number): string => String(value).padStart(2, "0");
  return `at ${two(mode.hour)}:${two(mode.minute)}`;
}
