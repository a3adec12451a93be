/** Tells one client what has come to us of a release that we are fetching ourselves. */
import type { ContentRoot } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import { Have } from "./have.ts";
import type { Holdings } from "./holdings.ts";
import type { Have as HaveMessage } from "./messages.ts";

/** A few hundred bytes at most, and as a rule a few. */
const TELL_EVERY_MS = 1_000;

export class Follower {
  readonly #clock: Clock;
  readonly #holdings: Holdings;
  readonly #root: ContentRoot;
  readonly #send: (message: HaveMessage) => void;
  readonly #isReady: () => boolean;
  readonly #told = new Have();
  #cancel: (() => void) | undefined;

  /** Tells at once what there is, be it nothing, then what is new while `isReady`; ends with `stop`. */
  constructor(
    clock: Clock,
    holdings: Holdings,
    root: ContentRoot,
    send: (message: HaveMessage) => void,
    isReady: () => boolean,
  ) {
    this.#clock = clock;
    this.#holdings = holdings;
    this.#root = root;
    this.#send = send;
    this.#isReady = isReady;
    if (!this.#tell()) this.#send({ type: "have", root, first: 0, bits: new Uint8Array(0) });
    this.#schedule();
  }

  stop(): void {
    this.#cancel?.();
  }

  #schedule(): void {
    this.#cancel = this.#clock.after(TELL_EVERY_MS, () => {
      if (this.#isReady()) this.#tell();
      this.#schedule();
    });
  }

  #tell(): boolean {
    const step = this.#holdings.partOf(this.#root)?.since(this.#told);
    if (step === undefined) return false;
    this.#send({ type: "have", root: this.#root, ...step });
    return true;
  }
}
