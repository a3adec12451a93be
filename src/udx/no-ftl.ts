/**
 * Keeps functions out of JavaScriptCore's last compiler, FTL, where they are slower than before it: a fresh process that moves
 * 200 MB spends a sixth of its time compiling them there, and they are left for older code again and again. What the compiler
 * before it makes of them is as good after a gigabyte.
 */
import { noFTL } from "bun:jsc";

/** Of functions themselves, of classes all methods and accessors of their prototypes. Only what is compiled later is spared. */
export function withoutFTL(code: readonly object[]): void {
  for (const item of code) {
    spare(item);
    const prototype: unknown = "prototype" in item ? item.prototype : undefined;
    if (typeof prototype !== "object" || prototype === null) continue;
    const { constructor: _, ...members } = Object.getOwnPropertyDescriptors(prototype);
    for (const member of Object.values(members)) {
      for (const part of ["value", "get", "set"] as const) spare(member[part]);
    }
  }
}

function spare(member: unknown): void {
  if (typeof member === "function") noFTL(member as () => unknown);
}
