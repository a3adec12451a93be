/** Streams and hand-made peers on a simulated network. */
import { expect } from "bun:test";
import { encodeHeader, Header, HEADER_SIZE, tryDecodeHeader } from "../../../src/udx/header.ts";
import type { UdpHandle } from "../../../src/udx/runtime.ts";
import { seqFrom } from "../../../src/udx/seq.ts";
import type { UDXSocket } from "../../../src/udx/socket.ts";
import type { StreamOptions, UDXStream } from "../../../src/udx/stream.ts";
import { UDX } from "../../../src/udx/udx.ts";
import { Network } from "./network.ts";

/** What happened to a stream so far. */
export interface Watch {
  stream: UDXStream;
  readonly socket: UDXSocket;
  readonly udx: UDX;
  readonly chunks: Buffer[];
  readonly messages: Buffer[];
  received: number;
  isEnded: boolean;
  isClosed: boolean;
  error: Error | null;
}

/** A bound socket and a stream on it, watched. `read: false` leaves the reader paused. */
export function createStream(
  network: Network,
  host: string,
  id: number,
  options: StreamOptions & { readonly read?: boolean } = {},
): Watch {
  const udx = new UDX(network.runtime);
  const socket = udx.createSocket();
  socket.bind(0, host);
  return watch(udx, socket, udx.createStream(id, options), options.read ?? true);
}

export function watch(udx: UDX, socket: UDXSocket, stream: UDXStream, read = true): Watch {
  const seen: Watch = {
    stream,
    socket,
    udx,
    chunks: [],
    messages: [],
    received: 0,
    isEnded: false,
    isClosed: false,
    error: null,
  };
  if (read) readAll(seen);
  stream.on("end", () => (seen.isEnded = true));
  stream.on("close", () => (seen.isClosed = true));
  stream.on("error", (error) => (seen.error = error));
  stream.on("message", (message) => seen.messages.push(message));
  return seen;
}

export function readAll(seen: Watch): void {
  seen.stream.on("data", (chunk) => {
    if (!(chunk instanceof Buffer)) throw new Error("chunks are buffers");
    seen.chunks.push(chunk);
    seen.received += chunk.length;
  });
}

export function connect(a: Watch, b: Watch): void {
  const port = b.socket.address();
  if (port === null) throw new Error("the other side is not bound");
  a.stream.connect(a.socket, b.stream.id, port.port, port.host);
}

/** Two connected streams with ids 1 and 2 on hosts of their own. */
export function createPair(network: Network, options: StreamOptions = {}): [Watch, Watch] {
  const a = createStream(network, "10.0.0.1", 1, options);
  const b = createStream(network, "10.0.0.2", 2, options);
  connect(a, b);
  connect(b, a);
  return [a, b];
}

/** Bytes whose every 4-byte group differs, so that a lost or swapped packet cannot go unnoticed. */
export function pattern(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let i = 0; i + 4 <= bytes; i += 4)
    buffer.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i);
  return buffer;
}

/** Writes everything with back-pressure, then ends. */
export function writeAll(stream: UDXStream, data: Buffer, chunkSize = 16_384): void {
  let at = 0;
  const go = (): void => {
    while (at < data.length) {
      const chunk = data.subarray(at, at + chunkSize);
      at += chunk.length;
      if (!stream.write(chunk)) {
        stream.once("drain", go);
        return;
      }
    }
    stream.end();
  };
  go();
}

/** Each writes its bytes, and closes with what the other wrote, unchanged. */
export async function exchange(
  network: Network,
  [a, up]: readonly [Watch, Buffer],
  [b, down]: readonly [Watch, Buffer],
): Promise<void> {
  writeAll(a.stream, up);
  writeAll(b.stream, down);
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(a.error).toBeNull();
  expect(b.error).toBeNull();
  expect(Buffer.concat(b.chunks).equals(up)).toBe(true);
  expect(Buffer.concat(a.chunks).equals(down)).toBe(true);
}

export interface SeenPacket {
  readonly at: number;
  readonly type: number;
  readonly id: number;
  readonly window: number;
  readonly seq: number;
  readonly ack: number;
  readonly payload: Buffer;
  readonly sack: readonly (readonly [number, number])[];
  readonly raw: Buffer;
}

export interface PacketFields {
  readonly type: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly dataOffset?: number;
  readonly body?: Uint8Array;
  readonly id?: number;
}

/** A peer that does nothing by itself: the test reads its packets and writes its answers. */
export class ScriptedPeer {
  readonly packets: SeenPacket[] = [];
  readonly host: string;
  readonly port: number;
  /** Answers to every packet, when set. */
  onPacket: ((packet: SeenPacket) => void) | null = null;
  private readonly handle: UdpHandle;
  private readonly target: { host: string; port: number; id: number };

  constructor(network: Network, host: string, target: Watch) {
    this.host = host;
    const address = target.socket.address();
    if (address === null) throw new Error("the stream's socket is not bound");
    this.target = { host: address.host, port: address.port, id: target.stream.id };
    this.handle = network.runtime.bindUdp(
      { host, port: 0, ipv6Only: false, reuseAddress: false },
      {
        onDatagram: (datagram) => {
          const packet = decode(datagram, network.nowMs);
          this.packets.push(packet);
          this.onPacket?.(packet);
        },
        onWritable: () => undefined,
      },
    );
    this.port = this.handle.port;
  }

  send(fields: PacketFields): void {
    this.sendRaw(encode(this.target.id, fields));
  }

  sendRaw(datagram: Uint8Array): void {
    this.handle.sendMany([datagram, this.target.port, this.target.host]);
  }
}

export function encode(id: number, fields: PacketFields): Buffer {
  const body = fields.body ?? new Uint8Array(0);
  const datagram = Buffer.alloc(HEADER_SIZE + body.length);
  encodeHeader(
    datagram,
    0,
    fields.type,
    fields.dataOffset ?? 0,
    fields.id ?? id,
    fields.window ?? 4 * 1024 * 1024,
    fields.seq ?? 0,
    fields.ack ?? 0,
  );
  datagram.set(body, HEADER_SIZE);
  return datagram;
}

export function sackBlocks(...blocks: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.alloc(blocks.length * 8);
  for (const [index, [start, end]] of blocks.entries()) {
    bytes.writeUInt32LE(start >>> 0, index * 8);
    bytes.writeUInt32LE(end >>> 0, index * 8 + 4);
  }
  return bytes;
}

function decode(datagram: Buffer, at: number): SeenPacket {
  const header = new Header();
  if (!tryDecodeHeader(datagram, header)) throw new Error("we sent a packet nobody can read");
  const sack: [number, number][] = [];
  for (let i = header.sackStart; i < header.sackEnd; i += 8) {
    sack.push([seqFrom(datagram.readUInt32LE(i)), seqFrom(datagram.readUInt32LE(i + 4))]);
  }
  const { type, id, window, seq, ack } = header;
  return {
    at,
    type,
    id,
    window,
    seq,
    ack,
    payload: datagram.subarray(header.payloadStart),
    sack,
    raw: datagram,
  };
}
