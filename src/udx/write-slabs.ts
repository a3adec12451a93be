/**
 * Memory for large messages on their way into packets, used again and again. A fresh buffer for each costs page faults,
 * a tenth of a sender's time, and what the garbage collector leaves lying until it has 32 MiB of it.
 */

/** Smaller messages are cheap to allocate. */
const MIN_BYTES: number = 16 * 1024;

interface SlabClass {
  /** Message, its prefix and its authenticator. */
  readonly sizeBytes: number;
  /** How many are kept. */
  readonly freeMax: number;
  readonly free: Buffer[];
}

/** What most applications send at most, and two of these; a megabyte of each, which the write buffers of a stream hold. */
const CLASSES: readonly SlabClass[] = [
  { sizeBytes: 68 * 1024, freeMax: 16, free: [] },
  { sizeBytes: 132 * 1024, freeMax: 8, free: [] },
];
const NONE: SlabClass = { sizeBytes: 0, freeMax: 0, free: [] };
/** View handed out → its slab. A view whose stream ends early is collected with it. */
const lent = new WeakMap<Buffer, Buffer>();

/**
 * A buffer of `bytes` bytes with old content, undefined for sizes that are not its case. Whoever writes it to a UDX
 * stream gives it up: it is used again when its last byte is in a packet.
 */
export function takeSlab(bytes: number): Buffer | undefined {
  if (bytes < MIN_BYTES) return undefined;
  const fitting = CLASSES.find(({ sizeBytes }) => bytes <= sizeBytes);
  if (fitting === undefined) return undefined;
  const slab = fitting.free.pop() ?? Buffer.allocUnsafeSlow(fitting.sizeBytes);
  const view = slab.subarray(0, bytes);
  lent.set(view, slab);
  return view;
}

/** Takes back a buffer that came from `takeSlab`; leaves any other alone. */
export function giveBack(chunk: Buffer): void {
  const slab = lent.get(chunk);
  if (slab === undefined) return;
  lent.delete(chunk);
  const { free, freeMax } = CLASSES.find(({ sizeBytes }) => sizeBytes === slab.byteLength) ?? NONE;
  if (free.length < freeMax) free.push(slab);
}
