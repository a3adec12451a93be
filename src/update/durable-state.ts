/**
 * The trusted state of this run and its copy on disk. Losing the copy loses no safety: the floor is then
 * our own version. So nothing here ever stops an update; what goes wrong is said and left.
 */
import type { PublicKey } from "../core/brand.ts";
import type { Handover } from "../core/handover.ts";
import type { Log } from "../core/log.ts";
import type { Installation } from "./installation.ts";
import { tryLock, type Lock } from "../fs/lock.ts";
import { INSTALL_ID_BYTES } from "./rollout.ts";
import { readStateFile, writeStateFile, type StoredState } from "./state-file.ts";
import type { TrustedState } from "./trusted-state.ts";

export class DurableState {
  readonly trusted: TrustedState;
  readonly #installation: Installation;
  readonly #owner: PublicKey;
  readonly #lineage: readonly Handover[];
  readonly #log: Log;

  /** Takes over what an earlier run has seen. */
  constructor(
    trusted: TrustedState,
    {
      installation,
      owner,
      lineage = [],
      log,
      nowMs,
    }: {
      readonly installation: Installation;
      readonly owner: PublicKey;
      /** The handovers that have led to it. */
      readonly lineage?: readonly Handover[];
      readonly log: Log;
      readonly nowMs: number;
    },
  ) {
    this.trusted = trusted;
    this.#installation = installation;
    this.#owner = owner;
    this.#lineage = lineage;
    this.#log = log;
    this.#merge(nowMs);
    // Written with the first record that is learnt: before that there was nothing to decide by it.
    trusted.installId ??= crypto.getRandomValues(new Uint8Array(INSTALL_ID_BYTES));
  }

  /** Writes it, unless another copy is writing. `held`: the caller has the lock. True when it is written. */
  save(nowMs: number, held?: Lock): boolean {
    let lock: Lock | undefined;
    try {
      this.#installation.checkSafe();
      lock = held === undefined ? tryLock(this.#installation.lockPath) : undefined;
      if (held === undefined && lock === undefined) return false;
      // Another copy may have seen more than we have: what it wrote must not be lowered.
      this.#merge(nowMs);
      writeStateFile(this.#installation.statePath, this.trusted, this.#lineage);
      return true;
    } catch (cause) {
      this.#log("debug", `the state file was not written: ${String(cause)}`);
      return false;
    } finally {
      lock?.release();
    }
  }

  #merge(nowMs: number): void {
    let stored: StoredState | undefined;
    try {
      stored = readStateFile(this.#installation.statePath, this.#owner);
      if (stored === undefined) return;
      this.trusted.installId = stored.installId ?? this.trusted.installId;
      for (const root of stored.refused) this.trusted.refuse(root);
      const known = this.trusted.handovers.length;
      // As far as both go they are the same, or the rest is not of the owner that is followed.
      for (const handover of stored.handovers.slice(known)) this.trusted.learn(handover, nowMs);
      // Step 2, like any other record: read back is not the same as trusted.
      if (stored.newest !== undefined) this.trusted.learn(stored.newest, nowMs);
    } catch (cause) {
      this.#log("debug", `the state file was not used: ${String(cause)}`);
    }
  }
}
