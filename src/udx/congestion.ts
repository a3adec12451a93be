/** The seam between the sender and whatever decides how much may be in flight. */
import type { AckSample } from "./rate.ts";

export interface CongestionController {
  /** Packets that may be in flight. */
  readonly cwnd: number;
  /** Bytes per ms. */
  readonly pacingRate: number;
  /** udx-native's `bbrState` (0 STARTUP, 1 DRAIN, 2 PROBE_BW, 3 PROBE_RTT) and bandwidth, packets per ms. */
  readonly state: number;
  readonly bandwidth: number;
  /** The controller limits itself on purpose: what is measured meanwhile says nothing about the path. */
  readonly isHoldingBack: boolean;
  /** A new packet leaves; `inflight` counts the others. */
  onSend(nowMs: number, inflight: number, isAppLimited: boolean): void;
  /** An ACK that found data in flight was processed, loss detection included. */
  onAck(sample: AckSample): void;
  /** The retransmission timer fired. */
  onRto(inflight: number): void;
  /** Loss recovery began (`true`) or ended; comes before the `onAck` of the same packet. */
  onRecovery(entered: boolean): void;
}
