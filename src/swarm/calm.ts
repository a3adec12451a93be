/** Is all quiet? Then a round meets few peers: in a swarm of fifty, meeting is most of what an idle copy costs. */

/** How a round went. */
export interface Round {
  /** The DHT had what we have, and all of it. */
  readonly isHeldByDht: boolean;
  /** Peers that were dialled, and how many of them were there. */
  readonly tried: number;
  readonly met: number;
}

/** So many rounds in a row in which nothing was new. */
const ROUNDS = 5;

export class Calm {
  #rounds: Round[] = [];

  /**
   * After so many rounds in which the DHT had what we have, and if half of the peers that were tried in them were there:
   * where most keys lead nowhere, somebody may want us to meet nobody (E9). Over all of these rounds, since one peer
   * that has just gone is no sign of it.
   */
  get holds(): boolean {
    if (this.#rounds.length < ROUNDS) return false;
    const sum = (of: (round: Round) => number): number =>
      this.#rounds.reduce((total, round) => total + of(round), 0);
    const met = sum(({ met }) => met);
    return met > 0 && met * 2 >= sum(({ tried }) => tried);
  }

  add(round: Round): void {
    if (!round.isHeldByDht) return this.end();
    this.#rounds = [...this.#rounds, round].slice(-ROUNDS);
  }

  /** Something is new. */
  end(): void {
    this.#rounds = [];
  }
}
