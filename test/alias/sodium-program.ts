/**
 * Programs for the comparison of our sodium with sodium-native: a few calls on views of one buffer, so that
 * overlapping arguments, unaligned offsets and stray writes all show in the buffer afterwards.
 */
import * as sodium from "../../embed/alias/sodium.ts";

export type Span = readonly [offset: number, length: number];
export type Argument =
  { readonly at: Span } | { readonly list: readonly Span[] } | { readonly value: null | number };
export interface Call {
  readonly name: string;
  readonly args: readonly Argument[];
}
export interface Program {
  readonly slab: string;
  readonly calls: readonly Call[];
}
export interface Outcome {
  readonly value?: unknown;
  readonly error?: string;
}
export interface Result {
  readonly slab: string;
  readonly outcomes: readonly Outcome[];
}

/** Deterministic numbers (mulberry32), so that a printed seed replays a failure. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Integer in [from, to]. */
  int(from: number, to: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return from + (((mixed ^ (mixed >>> 14)) >>> 0) % (to - from + 1));
  }

  chance(percent: number): boolean {
    return this.int(1, 100) <= percent;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.int(0, 255));
  }
}

/** Collects calls and lays their buffers out one after the other, with odd gaps. */
export class Builder {
  readonly random: Random;
  #length = 0;
  readonly #calls: Call[] = [];
  readonly #preset: [Span, Uint8Array][] = [];

  constructor(random: Random) {
    this.random = random;
  }

  /** A buffer of random content; mostly small, sometimes past every block and piece size in use. */
  data(length: number = this.size()): Span {
    const offset = this.#length + this.random.int(0, 9);
    this.#length = offset + length;
    return [offset, length];
  }

  size(): number {
    if (this.random.chance(2)) return this.random.int(65_000, 140_000);
    return this.random.chance(20) ? this.random.int(1_000, 5_000) : this.random.int(0, 200);
  }

  /** A buffer of given content. */
  preset(content: Uint8Array): Span {
    const span = this.data(content.byteLength);
    this.#preset.push([span, content]);
    return span;
  }

  call(name: string, ...args: (Span | readonly Span[] | null | number)[]): this {
    this.#calls.push({
      name,
      args: args.map((arg) => {
        if (arg === null || typeof arg === "number") return { value: arg };
        return isSpan(arg) ? { at: arg } : { list: arg };
      }),
    });
    return this;
  }

  build(): Program {
    const slab = this.random.bytes(this.#length + this.random.int(0, 9));
    for (const [[offset], content] of this.#preset) slab.set(content, offset);
    return { slab: Buffer.from(slab).toString("hex"), calls: this.#calls };
  }
}

function isSpan(arg: Span | readonly Span[]): arg is Span {
  return typeof arg[0] === "number";
}

/** Runs a program on our sodium. */
export function runOurs({ slab: hex, calls }: Program): Result {
  const slab = Buffer.from(Uint8Array.from(Buffer.from(hex, "hex")).buffer);
  const view = ([offset, length]: Span): Buffer => slab.subarray(offset, offset + length);
  const outcomes = calls.map(({ name, args }): Outcome => {
    const values = args.map((arg) => {
      if ("at" in arg) return view(arg.at);
      return "list" in arg ? arg.list.map(view) : arg.value;
    });
    if (name === "flip") {
      const [target] = values;
      if (target instanceof Uint8Array) target[0] = (target[0] ?? 0) ^ 0xff;
      return {};
    }
    const call = Reflect.get(sodium, name) as (...args: unknown[]) => unknown;
    try {
      return { value: call(...values) };
    } catch (error) {
      return { error: error instanceof Error ? error.message : "not an Error" };
    }
  });
  return { slab: slab.toString("hex"), outcomes };
}

/** Runs programs on sodium-native under Node, in one child process. */
export async function runNative(
  programs: readonly Program[],
): Promise<{ constants: Record<string, number>; results: Result[] }> {
  const child = Bun.spawn(["node", `${import.meta.dir}/sodium-oracle.cjs`], {
    stdin: new Blob([JSON.stringify({ programs })]),
    stdout: "pipe",
    stderr: "inherit",
    timeout: 30_000,
  });
  const [text, exitCode] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  if (exitCode !== 0) throw new Error(`the oracle exited with ${exitCode}`);
  return JSON.parse(text) as { constants: Record<string, number>; results: Result[] };
}
