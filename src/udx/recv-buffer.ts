/**
 * Packets that arrived ahead of the next expected one, by sequence number, and the SACK list that describes
 * them. Bounded in packets and in bytes: libudx bounds neither, so one forged packet could cost any amount.
 */
import {
  REORDER_BYTES_MAX,
  REORDER_ENTRY_COST,
  REORDER_GUARANTEED_BYTES,
  REORDER_LIMIT,
  REORDER_TOTAL_BYTES_MAX,
} from "./constants.ts";
import { writeU32 } from "./header.ts";
import { SACK_BLOCK_SIZE, SACK_MAX_BLOCKS } from "./sack.ts";
import { seqDiff } from "./seq.ts";

const RING_INITIAL = 64;
const SLOT_BYTES = 8;

/** What the streams of an instance hold together. */
export class ReorderBudget {
  /** Cost of all packets held and of the rings they are in, bytes. */
  bytes = 0;
}

export class RecvBuffer {
  /** Packets held. */
  count = 0;
  /** Cost of the packets held, bytes. */
  bytes = 0;
  private highest = 0;
  /** The last SACK list had no room for the runs from `cutAt` on. */
  private isCut = false;
  private cutAt = 0;
  private ring: (Buffer | undefined)[] = [];
  private mask = -1;
  private readonly budget: ReorderBudget;

  constructor(budget: ReorderBudget) {
    this.budget = budget;
  }

  /** Whether `seq`, at or above `next`, may be kept and is not held yet. */
  accepts(seq: number, next: number, payloadLength: number): boolean {
    const distance = seqDiff(seq, next);
    if (distance >= REORDER_LIMIT) return false;
    // The next one in line frees memory, so it is never refused for its size.
    const growth = distance > this.mask ? SLOT_BYTES * (ringSize(distance) - this.ring.length) : 0;
    if (distance > 0 && !this.hasRoom(payloadLength + REORDER_ENTRY_COST + growth)) return false;
    return distance > this.mask || this.ring[seq & this.mask] === undefined;
  }

  /** Keeps a packet that `accepts` admitted. Takes ownership of `payload`. */
  put(seq: number, next: number, payload: Buffer): void {
    const distance = seqDiff(seq, next);
    if (distance > this.mask) this.grow(distance, next);
    this.ring[seq & this.mask] = payload;
    if (this.count === 0 || seqDiff(seq, this.highest) > 0) this.highest = seq;
    this.count++;
    this.charge(payload.length + REORDER_ENTRY_COST);
  }

  /** Removes and returns the packet with that number, which must be the next expected one. */
  take(seq: number): Buffer | undefined {
    if (this.count === 0) return undefined;
    const index = seq & this.mask;
    const payload = this.ring[index];
    if (payload === undefined) return undefined;
    this.ring[index] = undefined;
    this.count--;
    this.charge(-payload.length - REORDER_ENTRY_COST);
    // One packet far ahead makes the ring large; it must not stay so on a thousand streams.
    if (this.count === 0) this.clear();
    return payload;
  }

  /**
   * Writes the runs of held packets above `next` as SACK blocks at `at`, ascending, and returns the bytes
   * written. A list without room for all is continued by the next call instead of starting over: a packet
   * that arrived but is never reported would be taken for lost.
   */
  encodeSack(target: Uint8Array, at: number, next: number): number {
    const end = (this.highest + 1) | 0;
    const isContinued = this.isCut && seqDiff(this.cutAt, next) > 0;
    let written = 0;
    let start = 0;
    let open = false;
    this.isCut = false;
    for (let seq = isContinued ? this.cutAt : next; seqDiff(end, seq) > 0; seq = (seq + 1) | 0) {
      const isHeld = this.ring[seq & this.mask] !== undefined;
      if (isHeld && !open) start = seq;
      else if (!isHeld && open) written = writeBlock(target, at, written, start, seq);
      open = isHeld;
      if (written === SACK_MAX_BLOCKS * SACK_BLOCK_SIZE) {
        this.isCut = true;
        this.cutAt = seq;
        return written;
      }
    }
    return open ? writeBlock(target, at, written, start, end) : written;
  }

  clear(): void {
    this.charge(-this.bytes);
    this.budget.bytes -= SLOT_BYTES * this.ring.length;
    this.ring = [];
    this.mask = -1;
    this.count = 0;
  }

  private hasRoom(cost: number): boolean {
    const bytes = this.bytes + cost;
    if (bytes <= REORDER_GUARANTEED_BYTES) return true;
    return bytes <= REORDER_BYTES_MAX && this.budget.bytes + cost <= REORDER_TOTAL_BYTES_MAX;
  }

  private charge(cost: number): void {
    this.bytes += cost;
    this.budget.bytes += cost;
  }

  /** Doubles the ring until `distance` fits; `accepts` has capped it by REORDER_LIMIT. */
  private grow(distance: number, next: number): void {
    const size = ringSize(distance);
    this.budget.bytes += SLOT_BYTES * (size - this.ring.length);
    const ring: (Buffer | undefined)[] = Array.from({ length: size });
    for (let i = 0; i <= this.mask; i++) {
      const seq = (next + i) | 0;
      ring[seq & (size - 1)] = this.ring[seq & this.mask];
    }
    this.ring = ring;
    this.mask = size - 1;
  }
}

/** Slots of the smallest ring for packets up to that far ahead. */
function ringSize(distance: number): number {
  let size = RING_INITIAL;
  while (size <= distance) size *= 2;
  return size;
}

function writeBlock(
  target: Uint8Array,
  at: number,
  written: number,
  start: number,
  end: number,
): number {
  writeU32(target, at + written, start);
  writeU32(target, at + written + 4, end);
  return written + SACK_BLOCK_SIZE;
}
