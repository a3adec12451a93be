/** Resident memory of another process, as the kernel counts it. Linux. */
import { readFileSync, writeFileSync } from "node:fs";

const FIELD: Readonly<Record<"now" | "peak", RegExp>> = {
  now: /^VmRSS:\s+(\d+) kB$/m,
  peak: /^VmHWM:\s+(\d+) kB$/m,
};

/** MiB; undefined when the process is gone. */
export function residentMiB(pid: number, which: "now" | "peak" = "now"): number | undefined {
  try {
    const [, kib] = FIELD[which].exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return Number(kib) / 1024;
  } catch {
    return undefined;
  }
}

/** The peak counts from now on. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
