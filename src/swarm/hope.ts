/**
 * When a download gives up. Not while everybody who has it is only busy, and not before all who are known were asked
 * once more, with those whom another lookup finds. Time is counted in looks: a machine that slept, or was too busy to
 * look, has not waited.
 */

/** Ten a second. */
export const LOOKS_PER_S = 10;
/** Nothing verified and nobody who is only busy for so long. */
const PATIENCE_LOOKS = 60 * LOOKS_PER_S;
/** From the first packet to a peer to its first answer, connecting and all. */
const LAST_ROUND_LOOKS = 25 * LOOKS_PER_S;
/** Whoever says without end that it has no place for us gives nothing either. */
const CROWDED_LOOKS = 600 * LOOKS_PER_S;

export class Hope {
  /** Looks since there was a sign of life, and since something verified came. */
  #idle = 0;
  #hungry = 0;
  /** Looks since the lookup of the last round was over; undefined before the last round. */
  #lastRound: number | undefined;

  /** Something verified has come. */
  fed(): void {
    this.#hungry = 0;
    this.#alive();
  }

  /** Somebody has it, or gets it from somebody, and has no place for us now. */
  crowded(): void {
    if (this.#hungry < CROWDED_LOOKS) this.#alive();
  }

  #alive(): void {
    this.#idle = 0;
    this.#lastRound = undefined;
  }

  /** To be called `LOOKS_PER_S` times a second; says what is to be done. */
  look(isLooking: boolean): "wait" | "ask all once more" | "give up" {
    this.#idle++;
    this.#hungry++;
    if (this.#idle < PATIENCE_LOOKS) return "wait";
    if (this.#lastRound === undefined) {
      this.#lastRound = 0;
      return "ask all once more";
    }
    if (this.#lastRound > 0 || !isLooking) this.#lastRound++;
    return this.#lastRound < LAST_ROUND_LOOKS ? "wait" : "give up";
  }
}
