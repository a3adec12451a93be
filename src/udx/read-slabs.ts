/**
 * Memory for what a busy stream receives, used again once the reader says that it has kept nothing. A fresh slab each time
 * costs page faults, and what the garbage collector leaves lying until it has 32 MiB of it.
 */
import { READ_CHUNK_MAX } from "./constants.ts";

/** Slabs kept. Each stream fills one while its reader has the one before. */
const FREE_MAX = 4;
/** As many as a receive window holds, for readers that fall behind; kept until a stream is over. */
const SPARE_MAX = 64;

const free: Buffer[] = [];
const spare: Buffer[] = [];
/** Chunk handed out → its slab. A chunk that is never given back is collected with it. */
const lent = new WeakMap<Buffer, ReadLease>();

function takeSlab(): Buffer {
  return free.pop() ?? spare.pop() ?? Buffer.allocUnsafeSlow(READ_CHUNK_MAX);
}

function keep(slab: Buffer): void {
  if (free.length < FREE_MAX) free.push(slab);
  else if (spare.length < SPARE_MAX) spare.push(slab);
}

/** A stream is over. Should others be busy, they get new ones. */
export function dropSpareSlabs(): void {
  spare.length = 0;
}

/** A slab of READ_CHUNK_MAX bytes with old content, and how much of it is with the reader. */
export class ReadLease {
  readonly slab: Buffer = takeSlab();
  private chunks = 0;
  private isFull = false;

  /** A chunk for the reader. */
  cut(start: number, end: number): Buffer {
    const chunk = this.slab.subarray(start, end);
    lent.set(chunk, this);
    this.chunks++;
    return chunk;
  }

  /** Nothing more is written into the slab. */
  close(): void {
    this.isFull = true;
    this.settle();
  }

  /** One of its chunks is back. */
  takeBack(): void {
    this.chunks--;
    this.settle();
  }

  private settle(): void {
    if (this.isFull && this.chunks === 0) keep(this.slab);
  }
}

/**
 * The only reader of a chunk has taken what it needs and keeps no view of it: its memory is used again. Does nothing for
 * chunks that are not lent, or were given back before.
 */
export function giveBackChunk(chunk: Buffer): void {
  const lease = lent.get(chunk);
  if (lease === undefined) return;
  lent.delete(chunk);
  lease.takeBack();
}
