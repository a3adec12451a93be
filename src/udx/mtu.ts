/**
 * Path MTU search with padded DATA packets as probes (RFC 8899 DPLPMTUD states BASE, SEARCH, COMPLETE;
 * libudx mtu_probeify_packet). Sizes are IP packet sizes in bytes.
 */
import {
  MTU_BASE,
  MTU_MAX,
  MTU_MAX_TRIES,
  MTU_STEP,
  OVERHEAD_IPV4,
  OVERHEAD_IPV6,
} from "./constants.ts";
import { DATA_OFFSET_MAX } from "./header.ts";

export class PathMtu {
  /** Confirmed size. */
  current: number = MTU_BASE;
  private ceiling: number = MTU_BASE;
  private overhead: number = OVERHEAD_IPV4;
  private isSearching = false;
  private probeOut = false;
  private tries = 0;

  /** Payload bytes of a full packet. */
  get maxPayload(): number {
    return this.current - this.overhead;
  }

  /**
   * Starts over for a remote. `ceiling` is the largest size the socket may try without being fragmented on
   * the way: MTU_BASE where nothing is known, because a fragmented probe would succeed falsely.
   */
  reset(family: 4 | 6, ceiling: number): void {
    this.current = MTU_BASE;
    this.overhead = family === 6 ? OVERHEAD_IPV6 : OVERHEAD_IPV4;
    this.ceiling = Math.min(ceiling, MTU_MAX);
    this.isSearching = false;
    this.probeOut = false;
    this.tries = 0;
  }

  /** The first acknowledged packet proves the base size; only then may the search begin. */
  onFirstAck(): void {
    this.isSearching = this.current < this.ceiling;
  }

  /** Zero bytes to add to a new packet with that payload to make it a probe; 0 for no probe. */
  paddingFor(payloadLength: number): number {
    if (!this.isSearching || this.probeOut) return 0;
    const padding = this.candidate - this.overhead - payloadLength;
    return padding > 0 && padding <= DATA_OFFSET_MAX ? padding : 0;
  }

  /** A packet with `paddingFor` bytes leaves. */
  onProbeSent(): void {
    this.probeOut = true;
  }

  onProbeAcked(): void {
    if (!this.probeOut) return;
    this.probeOut = false;
    this.tries = 0;
    this.current = this.candidate;
    this.isSearching = this.current < this.ceiling;
  }

  onProbeLost(): void {
    if (!this.probeOut) return;
    this.probeOut = false;
    if (++this.tries >= MTU_MAX_TRIES) this.isSearching = false;
  }

  private get candidate(): number {
    return Math.min(this.current + MTU_STEP, this.ceiling);
  }
}
