/**
 * When a socket asks the kernel to join what it receives (UDP_GRO, udp(7)): a download then comes as some forty packets at a
 * time, for less of a receiver's time. Not always, since datagrams of the DHT cannot be told apart again.
 */
import { DATAGRAM_MAX } from "./constants.ts";

/** Two of these are never taken for one. */
const LARGE_BYTES: number = DATAGRAM_MAX / 2;
/** Large packets that make a download, with fewer than QUIET_AFTER other datagrams between two. */
const ASK_AFTER = 64;
/** Others in a row that end it. */
const QUIET_AFTER = 64;

export class Joining {
  /** Whether any datagram may be several: for good, since what was joined may still wait in the kernel. */
  isPossible = false;
  /** Turns it on or off; returns whether the kernel can. */
  private readonly ask: (isOn: boolean) => boolean;
  private isOn = false;
  private isRefused = false;
  private large = 0;
  private others = 0;

  constructor(ask: (isOn: boolean) => boolean) {
    this.ask = ask;
  }

  /** Something came that is no packet to a stream of ours: a flood of it must not turn joining on. */
  noteOther(): void {
    if (++this.others === QUIET_AFTER) this.stop();
  }

  /** A packet to a stream of ours came, or several as one. */
  note(sizeBytes: number): void {
    if (sizeBytes < LARGE_BYTES) return this.noteOther();
    this.others = 0;
    if (++this.large === ASK_AFTER) this.start();
  }

  private start(): void {
    if (this.isOn || this.isRefused) return;
    this.isOn = this.ask(true);
    this.isRefused = !this.isOn;
    if (this.isOn) this.isPossible = true;
  }

  private stop(): void {
    this.large = 0;
    if (this.isOn) this.ask(false);
    this.isOn = false;
  }
}
