/** What earlier runs of this executable have left beside it, and what follows from it. */
import { existsSync } from "node:fs";
import { asContentRoot } from "../core/brand.ts";
import { fromHex } from "../core/bytes.ts";
import { hasLeftovers, removePartial, sweepLeftovers } from "./assemble.ts";
import type { UpdateContext } from "./context.ts";
import { UpdateError } from "./error.ts";
import { whenFree, type Lock } from "../fs/lock.ts";
import { FAILED_STARTS_MAX, failureText } from "./pending.ts";
import { badEnds, endProbation, readPending, settleProbation } from "./probation.ts";
import { messageOf, type Reporter } from "./reporter.ts";

export class EarlierRuns {
  readonly #context: UpdateContext;
  readonly #reporter: Reporter;

  constructor(context: UpdateContext, reporter: Reporter) {
    this.#context = context;
    this.#reporter = reporter;
  }

  /** What was left: a probation that came to its end, files of an attempt that was killed. */
  settle(): void {
    const { installation } = this.#context;
    try {
      this.#tellOfBadEnds();
      if (readPending(installation.pendingPath) === undefined && !hasLeftovers(installation))
        return;
      whenFree(installation.lockPath, (lock) => {
        installation.recover(lock);
        this.settleHeld(lock);
        sweepLeftovers(installation);
      });
    } catch (cause) {
      this.#reporter.report(cause);
    }
  }

  /** Step 9, when this version is back: the newer one is refused from now on. */
  settleHeld(lock: Lock): void {
    const { installation, own, state, clock, emit, log } = this.#context;
    const failed = settleProbation(installation, own, lock);
    if (failed === undefined) return;
    const { version, root, failure } = failed;
    const isNews = !state.trusted.refused.includes(root);
    state.trusted.refuse(asContentRoot(fromHex(root)));
    // Not before it is noted: this is all that keeps the version from being installed again.
    if (state.save(clock.nowMs(), lock)) endProbation(installation);
    if (!isNews) return;
    const reason = failureText(failure);
    emit({ name: "rolled-back", version, reason });
    log(
      "warn",
      `version ${version} failed on this machine (${reason}) and is not installed again; waiting for a newer one`,
    );
  }

  /** Nothing is to be installed: what an interrupted download has left is of no use. */
  forgetPartial(): void {
    const { installation, log } = this.#context;
    if (!existsSync(installation.partialPath)) return;
    try {
      whenFree(installation.lockPath, () => {
        installation.checkSafe();
        removePartial(installation);
      });
    } catch (cause) {
      log("debug", `the unfinished download was not removed: ${messageOf(cause)}`);
    }
  }

  /** A version that was healthy stays (H4): who knows why it ends. But that it does is told, once a run. */
  #tellOfBadEnds(): void {
    const { installation, own, log } = this.#context;
    const count = badEnds(installation, own);
    if (count === 0) return;
    const { text } = own.record.record.version;
    const reason = `version ${text} has ended badly ${count} of its first times, although it was healthy`;
    if (count < FAILED_STARTS_MAX) return log("info", reason);
    this.#reporter.report(
      new UpdateError("UNSTABLE", `${reason}; patcher.rollback() goes back`, {
        blame: "artifact",
        count,
      }),
    );
  }
}
