/** Results of work that ends in any order, handed on in the order in which it was begun. */
export class InOrder<T> {
  private readonly places: Place<T>[] = [];
  private readonly deliver: (value: T) => void;

  constructor(deliver: (value: T) => void) {
    this.deliver = deliver;
  }

  /** How many have not been handed on. */
  get length(): number {
    return this.places.length;
  }

  /** A place behind all others. */
  begin(): Place<T> {
    const place: Place<T> = { result: null };
    this.places.push(place);
    return place;
  }

  /** Hands on `value`, once all before it are, and what waited for it. */
  end(place: Place<T>, value: T): void {
    place.result = { value };
    for (;;) {
      const [first] = this.places;
      if (first === undefined || first.result === null) return;
      const { value: next } = first.result;
      // A place that has lived through a collection would keep what is young with it until there is a full one.
      first.result = null;
      this.places.shift();
      this.deliver(next);
    }
  }
}

export interface Place<T> {
  result: { readonly value: T } | null;
}
