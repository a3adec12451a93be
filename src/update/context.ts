/** What every part of the updater is about. */
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { VerifiedFull } from "../exe/verify-executable.ts";
import type { DurableState } from "./durable-state.ts";
import type { UpdateEvent } from "./events.ts";
import type { Installation } from "./installation.ts";

export interface UpdateContext {
  readonly installation: Installation;
  /** The running executable, verified. */
  readonly own: VerifiedFull;
  readonly state: DurableState;
  readonly clock: Clock;
  readonly emit: (event: UpdateEvent) => void;
  readonly log: Log;
}
