/**
 * Memory for large messages on their way into packets, used again and again. A fresh buffer for each costs page faults,
 * a tenth of a sender's time, and what the garbage collector leaves lying until it has 32 MiB of it.
 */

/** Message, its prefix and its authenticator: what most applications send at most. */
const SLAB_BYTES: number = 68 * 1024;
/** Smaller ones are cheap to allocate. */
const MIN_BYTES: number = 16 * 1024;
/** Slabs kept: as many as the write buffers of a stream hold. */
const FREE_MAX = 16;

const free: Buffer[] = [];
/** View handed out → its slab. A view whose stream ends early is collected with it. */
const lent = new WeakMap<Buffer, Buffer>();

/**
 * A buffer of `bytes` bytes with old content, undefined for sizes that are not its case. Whoever writes it to a UDX
 * stream gives it up: it is used again when its last byte is in a packet.
 */
export function takeSlab(bytes: number): Buffer | undefined {
  if (bytes < MIN_BYTES || bytes > SLAB_BYTES) return undefined;
  const slab = free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  const view = slab.subarray(0, bytes);
  lent.set(view, slab);
  return view;
}

/** Takes back a buffer that came from `takeSlab`; leaves any other alone. */
export function giveBack(chunk: Buffer): void {
  const slab = lent.get(chunk);
  if (slab === undefined) return;
  lent.delete(chunk);
  if (free.length < FREE_MAX) free.push(slab);
}
