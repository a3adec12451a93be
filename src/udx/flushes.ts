/** Who waits for the peer to have everything written so far. */

interface Flush {
  /** Acknowledged bytes that must be reached. */
  readonly target: number;
  readonly resolve: (isFlushed: boolean) => void;
}

export class Flushes {
  private waiting: Flush[] = [];

  /** Resolves true once `settle` or `acked` reaches `target`, bytes since the start of the stream; false on `fail`. */
  wait(target: number, acked: number): Promise<boolean> {
    if (acked >= target) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.waiting.push({ target, resolve });
    });
  }

  settle(acked: number): void {
    while (this.waiting[0] !== undefined && this.waiting[0].target <= acked) {
      this.waiting.shift()?.resolve(true);
    }
  }

  /** The stream is over. */
  fail(): void {
    for (const flush of this.waiting.splice(0)) flush.resolve(false);
  }
}
