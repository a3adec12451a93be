/**
 * The part of an EventEmitter that an app uses on a patcher. Node's own costs a compiled app 2 ms of its
 * start, as much as everything else of ours together; `events.once(patcher, …)` takes this one as well.
 */
type Listener<Args extends readonly unknown[]> = (...args: Args) => unknown;

interface Entry {
  readonly listener: unknown;
  readonly isOnce: boolean;
}

export class Emitter<Events extends Record<keyof Events, unknown[]>> {
  readonly #entries = new Map<keyof Events, readonly Entry[]>();

  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    return this.#add(name, { listener, isOnce: false });
  }

  once<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    return this.#add(name, { listener, isOnce: true });
  }

  /** Takes away the listener that was added last. */
  off<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    const entries = this.#of(name);
    const at = entries.findLastIndex((entry) => entry.listener === listener);
    if (at >= 0) this.#entries.set(name, entries.toSpliced(at, 1));
    return this;
  }

  addListener<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    return this.on(name, listener);
  }

  removeListener<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    return this.off(name, listener);
  }

  listenerCount(name: keyof Events): number {
    return this.#of(name).length;
  }

  /** Calls the listeners there are now, in the order they came; false when there are none. */
  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): boolean {
    const entries = this.#of(name);
    for (const entry of entries) {
      const listener = entry.listener as Listener<Events[Name]>;
      if (entry.isOnce) this.off(name, listener);
      Reflect.apply(listener, this, args);
    }
    return entries.length > 0;
  }

  #of(name: keyof Events): readonly Entry[] {
    return this.#entries.get(name) ?? [];
  }

  #add(name: keyof Events, entry: Entry): this {
    this.#entries.set(name, [...this.#of(name), entry]);
    return this;
  }
}
