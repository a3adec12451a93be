/**
 * An in-memory UDP network under a fake clock. It stands where the operating system stands, below the public
 * UDX class, so whole streams run in it; nothing in it takes real time and every choice comes from one seed.
 */
import type { Clock } from "../../../src/core/clock.ts";
import type {
  DatagramBatch,
  Runtime,
  UdpEvents,
  UdpHandle,
  UdpOptions,
} from "../../../src/udx/runtime.ts";

/** What a kernel does with datagrams that come together (UDP_GRO). */
export class Joins {
  /** Whether it can. */
  isPossible = false;
  /** Datagrams handed over that were several. */
  joined = 0;
  private readonly on = new Set<string>();
  private readonly waiting = new Map<string, { parts: Buffer[]; port: number; host: string }>();
  private readonly defer: (callback: () => void) => void;
  private readonly socket: (address: string) => UdpEvents | undefined;

  constructor(
    defer: (callback: () => void) => void,
    socket: (address: string) => UdpEvents | undefined,
  ) {
    this.defer = defer;
    this.socket = socket;
  }

  set(address: string, isOn: boolean): boolean {
    if (isOn && this.isPossible) this.on.add(address);
    else this.on.delete(address);
    return this.isPossible;
  }

  isOn(address: string): boolean {
    return this.on.has(address) || this.waiting.has(address);
  }

  put(datagram: Buffer, port: number, host: string, to: string): void {
    const held = this.waiting.get(to);
    if (held !== undefined && fits(held, datagram, port, host)) {
      held.parts.push(datagram);
      return;
    }
    this.flush(to);
    this.waiting.set(to, { parts: [datagram], port, host });
    this.defer(() => this.flush(to));
  }

  private flush(to: string): void {
    const held = this.waiting.get(to);
    if (held === undefined) return;
    this.waiting.delete(to);
    if (held.parts.length > 1) this.joined++;
    // Memory of its own, as Bun's.
    const bytes = Buffer.allocUnsafeSlow(held.parts.reduce((sum, part) => sum + part.length, 0));
    held.parts.reduce((at, part) => at + part.copy(bytes, at), 0);
    this.socket(to)?.onDatagram(bytes, held.port, held.host);
  }
}

const JOINED_MAX = 44;

function fits(
  held: { readonly parts: readonly Buffer[]; readonly port: number; readonly host: string },
  datagram: Buffer,
  port: number,
  host: string,
): boolean {
  const size = held.parts[0]?.length ?? 0;
  const isFull = held.parts.length === JOINED_MAX || (held.parts.at(-1)?.length ?? 0) < size;
  return !isFull && datagram.length <= size && held.port === port && held.host === host;
}

export interface Link {
  /** One-way delay, ms. */
  delayMs: number;
  /** Up to this much more, drawn per datagram: reorders. */
  jitterMs: number;
  /** Probabilities. */
  loss: number;
  duplicate: number;
  /** Bottleneck, bytes per ms, and what waits before it at most, bytes. */
  rate: number;
  queueBytes: number;
  /** Returns true to drop the datagram. */
  drop: (datagram: Buffer, from: string, to: string) => boolean;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Deterministic generator (mulberry32), 0 ≤ x < 1. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Network {
  readonly link: Link = {
    delayMs: 10,
    jitterMs: 0,
    loss: 0,
    duplicate: 0,
    rate: Number.POSITIVE_INFINITY,
    queueBytes: Number.POSITIVE_INFINITY,
    drop: () => false,
  };
  nowMs = 1000;
  /** What sockets bound from now on say about fragments. */
  isUnfragmented = false;
  /** What their receive buffer is said to be; simulated ones hold everything. */
  recvBufferBytes: number = Number.MAX_SAFE_INTEGER;
  sent = 0;
  dropped = 0;
  /** Datagrams the bottleneck holds at most at once so far, bytes. */
  deepestQueue = 0;

  private readonly random: () => number;
  private events: Event[] = [];
  private order = 0;
  private readonly sockets = new Map<string, UdpEvents>();
  private readonly busyUntil = new Map<string, number>();
  private nextPort = 40_000;
  readonly joins: Joins = new Joins(
    (callback) => void this.at(this.nowMs, callback),
    (to) => this.sockets.get(to),
  );

  constructor(seed = 1) {
    this.random = random(seed);
  }

  /** What a UDX instance on this network gets. */
  readonly runtime: Runtime = {
    clock: this.clock(),
    defer: (callback) => void this.at(this.nowMs, callback),
    bindUdp: (options, events) => this.bind(options, events),
  };

  /** Runs events for that long. */
  async advance(ms: number): Promise<void> {
    const until = this.nowMs + ms;
    await this.runUntil(() => this.peek() > until, ms + 1);
    this.nowMs = until;
  }

  /**
   * Runs events until `done`. Throws when it is not done after `limitMs` of simulated time or when nothing
   * can happen any more.
   */
  async runUntil(done: () => boolean, limitMs = 600_000): Promise<void> {
    const until = this.nowMs + limitMs;
    await settle();
    while (!done()) {
      const event = this.pop();
      if (event === undefined) throw new Error("the simulated network fell silent");
      if (event.at > until) throw new Error(`not done after ${limitMs} simulated ms`);
      this.nowMs = Math.max(this.nowMs, event.at);
      event.run();
      await settle();
    }
  }

  private clock(): Clock {
    return {
      nowMs: () => this.nowMs,
      monotonicMs: () => this.nowMs,
      after: (delayMs, callback) => this.at(this.nowMs + delayMs, callback),
    };
  }

  private at(at: number, callback: () => void): () => void {
    let isCancelled = false;
    this.push({
      at,
      order: this.order++,
      run: () => {
        if (!isCancelled) callback();
      },
    });
    return () => {
      isCancelled = true;
    };
  }

  private bind(options: UdpOptions, events: UdpEvents): UdpHandle {
    const port = options.port || this.nextPort++;
    const address = `${options.host}:${port}`;
    if (this.sockets.has(address)) {
      throw Object.assign(new Error(`bind EADDRINUSE ${address}`), { code: "EADDRINUSE" });
    }
    this.sockets.set(address, events);
    return {
      port,
      fd: undefined,
      recvBufferBytes: this.recvBufferBytes,
      isUnfragmented: this.isUnfragmented,
      sendMany: (batch) => this.sendMany(options.host, port, batch),
      joinReceived: (isOn) => this.joins.set(address, isOn),
      setTTL: () => undefined,
      addMembership: () => undefined,
      dropMembership: () => undefined,
      ref: () => undefined,
      unref: () => undefined,
      close: () => void this.sockets.delete(address),
    };
  }

  private sendMany(host: string, port: number, batch: DatagramBatch): number {
    for (let i = 0; i < batch.length; i += 3) {
      const datagram = batch[i];
      if (typeof datagram !== "object") throw new Error("a batch is datagram, port, host");
      const to = `${String(batch[i + 2])}:${String(batch[i + 1])}`;
      this.transmit(Buffer.from(datagram), host, port, to);
    }
    return batch.length / 3;
  }

  private transmit(datagram: Buffer, host: string, port: number, to: string): void {
    const { link } = this;
    const from = `${host}:${port}`;
    this.sent++;
    if (link.drop(datagram, from, to) || this.random() < link.loss) {
      this.dropped++;
      return;
    }
    const copies = this.random() < link.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const queued = this.queueDelay(datagram.length, `${from}>${to}`);
      if (queued === undefined) {
        this.dropped++;
        continue;
      }
      const delay = queued + link.delayMs + this.random() * link.jitterMs;
      this.at(this.nowMs + delay, () => {
        // Each receiver owns its bytes, duplicates included.
        if (this.joins.isOn(to)) this.joins.put(Buffer.from(datagram), port, host, to);
        else this.sockets.get(to)?.onDatagram(Buffer.from(datagram), port, host);
      });
    }
  }

  /** Time spent before and in the bottleneck, or undefined when its queue is full. */
  private queueDelay(bytes: number, path: string): number | undefined {
    const { rate, queueBytes } = this.link;
    if (rate === Number.POSITIVE_INFINITY) return 0;
    const start = Math.max(this.busyUntil.get(path) ?? 0, this.nowMs);
    const waiting = (start - this.nowMs) * rate;
    if (waiting > queueBytes) return undefined;
    this.deepestQueue = Math.max(this.deepestQueue, waiting);
    const end = start + bytes / rate;
    this.busyUntil.set(path, end);
    return end - this.nowMs;
  }

  private peek(): number {
    return this.events[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  private push(event: Event): void {
    const { events } = this;
    events.push(event);
    let i = events.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(event, events[parent])) break;
      swap(events, i, parent);
      i = parent;
    }
  }

  private pop(): Event | undefined {
    const { events } = this;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || first === last) return first;
    events[0] = last;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= events.length) return first;
      const right = events[child + 1];
      if (right !== undefined && isBefore(right, events[child])) child++;
      if (!isBefore(events[child], last)) return first;
      swap(events, i, child);
      i = child;
    }
  }
}

function isBefore(a: Event | undefined, b: Event | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function swap(events: Event[], i: number, j: number): void {
  const a = events[i];
  const b = events[j];
  if (a === undefined || b === undefined) return;
  events[i] = b;
  events[j] = a;
}

/** Lets every microtask run: streamx hands data over in them. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
