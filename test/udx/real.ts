/** Sockets and streams on the real loopback, and waits that end. */
import type { UDXSocket } from "../../src/udx/socket.ts";
import type { StreamOptions, UDXStream } from "../../src/udx/stream.ts";
import { UDX } from "../../src/udx/udx.ts";

const TIMEOUT_MS = 5000;

/** Resolves with the arguments of the next event of that name; rejects when it does not come. */
export function next(
  emitter: { once(name: string, listener: (...args: unknown[]) => void): unknown },
  name: string,
): Promise<unknown[]> {
  return within(
    new Promise((resolve) => void emitter.once(name, (...args) => resolve(args))),
    name,
  );
}

/** Rejects when the promise takes longer than any of these tests should. */
export function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), TIMEOUT_MS);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

export function portOf(socket: UDXSocket): number {
  const address = socket.address();
  if (address === null) throw new Error("the socket is not bound");
  return address.port;
}

export interface Side {
  readonly udx: UDX;
  readonly socket: UDXSocket;
  readonly stream: UDXStream;
}

/** Two connected streams with ids 1 and 2, each with an instance and a socket of its own. */
export function pair(host = "127.0.0.1", options: StreamOptions = {}): [Side, Side] {
  const [a, b] = [side(1, host, options), side(2, host, options)];
  a.stream.connect(a.socket, 2, portOf(b.socket), host);
  b.stream.connect(b.socket, 1, portOf(a.socket), host);
  return [a, b];
}

export function side(id: number, host = "127.0.0.1", options: StreamOptions = {}): Side {
  const udx = new UDX();
  const socket = udx.createSocket();
  socket.bind(0, host);
  return { udx, socket, stream: udx.createStream(id, options) };
}

/** Everything the stream delivers until its end. */
export async function collect(stream: UDXStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk) => {
    if (chunk instanceof Buffer) chunks.push(chunk);
  });
  await next(stream, "end");
  return Buffer.concat(chunks);
}
