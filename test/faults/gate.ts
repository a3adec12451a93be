/**
 * Where a program waits until somebody watches it: its calls count from there, so that the ones of its other threads
 * can be told from those it was loaded with.
 */
import { readSync, writeSync } from "node:fs";

/** "early": where this file is imported, before any code of ours; "late": where the program itself has come to. */
export type Gate = "early" | "late";

export const GATE_VARIABLE = "FAULT_GATE";
export const AT_GATE = "at the gate\n";
const STDIN = 0;
const STDOUT = 1;

export function waitAt(gate: Gate): void {
  if (process.env[GATE_VARIABLE] !== gate) return;
  writeSync(STDOUT, AT_GATE);
  readSync(STDIN, new Uint8Array(1));
}

waitAt("early");
