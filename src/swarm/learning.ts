/** Who is asked for the manifest: one provider, and more of them the longer it does not come. */
import type { Clock } from "../core/clock.ts";
import type { RemoteProvider } from "./remote-provider.ts";

export interface LearningContext {
  /** The manifest is known, or nobody needs it any more. */
  readonly isOver: () => boolean;
  readonly isWhole: (provider: RemoteProvider) => boolean;
  /** Resolves when the manifest is known; rejects with what is wrong with the provider. */
  readonly ask: (provider: RemoteProvider) => Promise<void>;
}

/** Without a manifest for so long, one more provider is asked for it; after twice the time two more, then four. */
const HEDGE_MS = 1_000;

export class Learning {
  readonly #clock: Clock;
  readonly #context: LearningContext;
  #attempts = 0;
  #firstAttemptMs = 0;
  #waiting: (() => void)[] = [];

  constructor(clock: Clock, context: LearningContext) {
    this.#clock = clock;
    this.#context = context;
  }

  /**
   * Resolves when the manifest is known, asking this provider for it if nobody else is. Rejects when it closes.
   */
  async learn(provider: RemoteProvider): Promise<void> {
    const { isOver, isWhole, ask } = this.#context;
    while (!isOver()) {
      if (provider.isClosed) throw await provider.closed;
      const nowMs = this.#clock.monotonicMs();
      const hedges = Math.floor((nowMs - this.#firstAttemptMs) / HEDGE_MS);
      // Who has not all of it gives no region: it would be blamed for what it was told itself.
      const isAsking = isWhole(provider) && this.#attempts < 2 ** hedges;
      if (!isAsking && (this.#attempts > 0 || !isWhole(provider))) {
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve);
          void provider.closed.then(() => resolve());
        });
        continue;
      }
      if (this.#attempts++ === 0) this.#firstAttemptMs = nowMs;
      try {
        await ask(provider);
      } finally {
        this.#attempts--;
        if (this.#attempts === 0) this.wake();
      }
    }
  }

  /** To be called several times a second, and when it is over. */
  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
