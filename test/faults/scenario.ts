/** What is disturbed: a program that does something to an installation, and how that must come out. */
import { chmodSync } from "node:fs";
import type { VerifiedFull } from "../../src/exe/verify-executable.ts";
import { verified } from "../helpers/install.ts";
import { digestOf } from "../helpers/installed.ts";
import type { Program } from "./program.ts";
import type { Stage } from "./stage.ts";
import type { Fault } from "./strace.ts";

export const MODE = 0o755;

/** A signed executable that is installed by giving it another name, so it is never written to, whatever happens. */
export interface Release {
  readonly path: string;
  readonly digest: string;
  readonly executable: VerifiedFull;
}

export interface Releases {
  readonly one: Release;
  readonly two: Release;
  readonly three: Release;
}

/** What lies beside the executable before the fault. */
export type Scene =
  /** Version 1, and nothing. */
  | "one"
  /** Version 2, and nothing. */
  | "only two"
  /** Version 2, with version 1 as its rollback copy. */
  | "two"
  /** The same, on probation. */
  | "on probation"
  /** The same, after three starts that failed. */
  | "failed"
  /** Version 1 again, with what the failed version 2 has left. */
  | "back";

export interface Scenario {
  readonly name: string;
  readonly scene: Scene;
  readonly program: (stage: Stage) => Program;
  /** What is installed when the same is done once more, and nothing disturbs it. */
  readonly becomes?: keyof Releases;
  /** Version 2 is not installed again. */
  readonly refusesTwo?: boolean;
  /** So may it be after such a fault: it has met the new version when that was tried out. */
  readonly mayRefuse?: (fault: Fault) => boolean;
  /** A program that may go on for ever once this has happened to it. */
  readonly mayHang?: (fault: Fault) => boolean;
}

export interface FaultWorld {
  readonly releases: Releases;
  readonly scenarios: readonly Scenario[];
  readonly stage: () => Stage;
  /** Ends what runs for it; its directory is whoever's made it. */
  readonly end: () => Promise<void>;
}

export function release(path: string): Release {
  chmodSync(path, MODE);
  return { path, digest: digestOf(path), executable: verified(path) };
}
