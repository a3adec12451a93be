/** What a socket receives: datagrams, and several as one where the kernel joins them. */
import { release } from "../core/bytes.ts";
import { MTU_MAX } from "./constants.ts";
import { isUdxPacket, readStreamId } from "./header.ts";
import { isJoined, packetSize } from "./joined.ts";
import { Joining } from "./joining.ts";
import type { UDXSocket } from "./socket.ts";

export class Inbox {
  private readonly socket: UDXSocket;
  private readonly joining: Joining;

  /** `join` turns joining on or off, and returns whether the kernel can. */
  constructor(socket: UDXSocket, join: (isOn: boolean) => boolean) {
    this.socket = socket;
    this.joining = new Joining(join);
  }

  /** Owns `datagram` from here on. */
  receive(datagram: Buffer, port: number, host: string): void {
    const { joining, socket } = this;
    const { udx } = socket;
    const isOurs = isUdxPacket(datagram) && udx.isOurs(readStreamId(datagram));
    if (isOurs) joining.note(datagram.length);
    else joining.noteOther();
    if (joining.isPossible) {
      this.takeApart(datagram, port, host);
      return;
    }
    socket.packetsReceived++;
    udx.receive(socket, datagram, port, host);
  }

  private takeApart(datagram: Buffer, port: number, host: string): void {
    const { socket } = this;
    const { udx } = socket;
    const { length } = datagram;
    const size = packetSize(datagram, udx);
    socket.packetsReceived += Math.ceil(length / size);
    // No packet is as long, so it is several, but nobody here knows whose; or one, and something else behind it. As if lost.
    if (size === length && length > MTU_MAX && isUdxPacket(datagram)) return;
    if (size < length && isJoined(datagram)) {
      udx.receiveJoined(socket, datagram, port, host, size);
      release(datagram);
      return;
    }
    for (let at = 0; at < length && !socket.isClosed; at += size) {
      const part = size < length ? datagram.subarray(at, at + size) : datagram;
      udx.receive(socket, part, port, host);
    }
  }
}
