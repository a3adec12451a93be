/** Answers that were expensive to make, up to a number of bytes; the one unused for longest goes first. */
export class DeltaCache {
  readonly #maxBytes: number;
  readonly #answers = new Map<string, Uint8Array>();
  #sizeBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: string): Uint8Array | undefined {
    const answer = this.#answers.get(key);
    if (answer === undefined) return undefined;
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    return answer;
  }

  set(key: string, answer: Uint8Array): void {
    this.#sizeBytes += answer.length - (this.#answers.get(key)?.length ?? 0);
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    for (const [oldest, { length }] of this.#answers) {
      if (this.#sizeBytes <= this.#maxBytes) return;
      this.#answers.delete(oldest);
      this.#sizeBytes -= length;
    }
  }
}
