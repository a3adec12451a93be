import { CoreError } from "./core-error.ts";

/** What Bun 1.4.5 can compile for, without its "bun-" prefix. Each is a target of its own: nothing is guessed. */
export const TARGETS = [
  "linux-x64",
  "linux-x64-baseline",
  "linux-x64-musl",
  "linux-x64-musl-baseline",
  "linux-arm64",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-x64-baseline",
  "darwin-arm64",
  "windows-x64",
  "windows-x64-baseline",
  "windows-arm64",
] as const;

export type Target = (typeof TARGETS)[number];

export function isTarget(text: string): text is Target {
  return (TARGETS as readonly string[]).includes(text);
}

/** @throws {CoreError} FIELD_INVALID */
export function checkTarget(text: string): Target {
  if (isTarget(text)) return text;
  throw new CoreError("FIELD_INVALID", `unknown target; use one of ${TARGETS.join(", ")}`, {
    blame: "usage",
    target: text.slice(0, 40),
  });
}
