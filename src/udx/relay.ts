/**
 * A stream as a pure forwarder (libudx udx_stream_relay_to): of every packet addressed to it only the stream
 * id is changed, and it leaves from the destination's socket. Sequence numbers, ACKs and windows stay
 * end-to-end.
 */
import { usageError } from "./error.ts";
import { TYPE_DESTROY, writeStreamId } from "./header.ts";
import type { UDXStream } from "./stream.ts";

const OFFSET_TYPE = 2;

export class Relay {
  private readonly destination: UDXStream;
  private readonly source: UDXStream;

  /** @throws {UdxError} EINVAL when the destination is closed. */
  constructor(source: UDXStream, destination: UDXStream) {
    if (destination.isProtocolClosed) throw usageError("EINVAL", "Cannot relay to a closed stream");
    this.source = source;
    this.destination = destination;
    destination.relayedBy ??= new Set();
    destination.relayedBy.add(source);
  }

  /** Forwards a datagram; drops it while the destination has no remote. Returns whether it ends the stream. */
  forward(datagram: Buffer): boolean {
    const { socket, remoteId, remotePort, remoteHost } = this.destination;
    if (socket !== null && remoteHost !== null) {
      writeStreamId(datagram, remoteId);
      socket.queue(datagram, remotePort, remoteHost);
    }
    return ((datagram[OFFSET_TYPE] ?? 0) & TYPE_DESTROY) !== 0;
  }

  close(): void {
    this.destination.relayedBy?.delete(this.source);
  }
}
