/** What runs for each packet and each chunk, see no-ftl.ts. */
import { Duplex, Readable, Writable } from "streamx";
import { release } from "../core/bytes.ts";
import { Bbr } from "./bbr.ts";
import { Deadlines } from "./deadlines.ts";
import { Endpoint } from "./endpoint.ts";
import { Flight } from "./flight.ts";
import { Flushes } from "./flushes.ts";
import { ForeignQueue } from "./foreign-queue.ts";
import { FrameGate } from "./framing.ts";
import {
  encodeHeader,
  isUdxPacket,
  readStreamId,
  readU32,
  tryDecodeHeader,
  writeU32,
} from "./header.ts";
import { Inbox } from "./inbox.ts";
import { isPort, normalizeHost } from "./ip.ts";
import { arePackets, isJoined, ownBytes, packetSize } from "./joined.ts";
import { Joining } from "./joining.ts";
import { PathMtu } from "./mtu.ts";
import { withoutFTL } from "./no-ftl.ts";
import { Outbox } from "./outbox.ts";
import { Pacer } from "./pacer.ts";
import { Packet, PacketList, PacketPool } from "./packet.ts";
import { PeerWindow } from "./peer-window.ts";
import { PendingAck } from "./pending-ack.ts";
import { Rack } from "./rack.ts";
import { RateSampler } from "./rate.ts";
import { ReadSlab } from "./read-slab.ts";
import { giveBackChunk, ReadLease } from "./read-slabs.ts";
import { Receiver } from "./receiver.ts";
import { RecvBuffer } from "./recv-buffer.ts";
import { RttEstimator } from "./rtt.ts";
import { SegmentMessage } from "./segment-message.ts";
import { Segments } from "./segments.ts";
import { SendQueue, WriteQueue } from "./send-queue.ts";
import { Sender } from "./sender.ts";
import { seqDiff, seqNext } from "./seq.ts";
import { isReaderWaiting, isWriterIdle } from "./streamx-state.ts";
import { TailProbe } from "./tail-probe.ts";
import { Transmitter } from "./transmitter.ts";
import { Turn } from "./turn.ts";
import { windowLimit } from "./window-limit.ts";
import { WindowedFilter } from "./windowed-filter.ts";
import { giveBack, takeSlab } from "./write-slabs.ts";
import { countReceived } from "./young-garbage.ts";

/** Classes whose methods and functions which each packet meets, besides those of the instance, its sockets and its streams. */
const PACKETS: readonly object[] = [
  [Bbr, Deadlines, Endpoint, Flight, Flushes, ForeignQueue, FrameGate, Inbox, Joining, Outbox],
  [Pacer, Packet, PacketList, PacketPool, PathMtu, PeerWindow, PendingAck, Rack, RateSampler],
  [ReadLease, ReadSlab, Receiver, RecvBuffer, RttEstimator, SegmentMessage, Segments, Sender],
  [SendQueue, TailProbe, Transmitter, Turn, WindowedFilter, WriteQueue],
  [arePackets, encodeHeader, isJoined, isUdxPacket, ownBytes, packetSize, readStreamId, readU32],
  [countReceived, giveBack, giveBackChunk, isPort, isReaderWaiting, isWriterIdle, normalizeHost],
  [release, seqDiff, seqNext, takeSlab, tryDecodeHeader, windowLimit, writeU32],
].flat();

let isDone = false;

/** Once, before they have run often. `rest` are the classes of instances, sockets and streams. */
export function spareHotPaths(rest: readonly object[]): void {
  if (isDone) return;
  isDone = true;
  withoutFTL([...PACKETS, ...rest, Duplex, Readable, Writable, ...streamxStates()]);
}

/** streamx does not name the two classes that move a stream's chunks. */
function streamxStates(): readonly object[] {
  const { _readableState: readable, _writableState: writable } = new Duplex() as unknown as {
    readonly _readableState: object;
    readonly _writableState: object;
  };
  return [readable.constructor, writable.constructor];
}
