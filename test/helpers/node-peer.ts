import type { Address, SecretStream } from "@hyperswarm/dht";
import type { Subprocess } from "bun";

/** What both sides of a transfer report; see `transfer`. */
export interface Transfer {
  readonly sentHash: string;
  readonly receivedHash: string;
  readonly receivedBytes: number;
  readonly remotePublicKey: string;
}

const CALL_TIMEOUT_MS = 30_000;
const CHUNK_BYTES = 64 * 1024;

/** A Node process that runs HyperDHT nodes with the original native packages; see node-peer.cjs. */
export class NodePeer {
  readonly #child: Subprocess<"pipe", "pipe", "inherit">;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  constructor() {
    this.#child = Bun.spawn(["node", `${import.meta.dir}/node-peer.cjs`], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    void this.#read();
  }

  /** Runs one operation of node-peer.cjs. Rejects with its error, or after 30 s. */
  async call<T>(op: string, args: Record<string, unknown>): Promise<T> {
    const id = ++this.#lastId;
    const reply = Promise.withResolvers<unknown>();
    this.#pending.set(id, reply);
    const timer = setTimeout(
      () => reply.reject(new Error(`${op} took more than ${CALL_TIMEOUT_MS} ms`)),
      CALL_TIMEOUT_MS,
    );
    try {
      void this.#child.stdin.write(`${JSON.stringify({ id, op, ...args })}\n`);
      await this.#child.stdin.flush();
      return (await reply.promise) as T;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /** Starts a node in the process and resolves when it has joined; returns its address. */
  async start(
    node: string,
    bootstrap: readonly Address[],
    options: { readonly ephemeral?: boolean; readonly seed?: string } = {},
  ): Promise<Address> {
    const { port } = await this.call<{ port: number }>("start", {
      node,
      bootstrap,
      ephemeral: false,
      firewalled: false,
      ...options,
    });
    return { host: "127.0.0.1", port };
  }

  /** Ends the process and waits for it. */
  async stop(): Promise<void> {
    await this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await this.#child.exited;
    clearTimeout(timer);
  }

  async #read(): Promise<void> {
    let text = "";
    for await (const part of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + part).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const { id, result, error } = JSON.parse(line) as {
          id: number;
          result?: unknown;
          error?: string;
        };
        if (error === undefined) this.#pending.get(id)?.resolve(result);
        else this.#pending.get(id)?.reject(new Error(error));
      }
    }
    for (const { reject } of this.#pending.values()) reject(new Error("the Node process ended"));
  }
}

/**
 * Sends `size` random bytes and ends, while reading until the other side ends. Resolves when the stream has
 * closed, rejects with its error.
 */
export async function transfer(stream: SecretStream, size: number): Promise<Transfer> {
  const sent = new Bun.CryptoHasher("sha256");
  const received = new Bun.CryptoHasher("sha256");
  let receivedBytes = 0;
  stream.on("data", (data) => {
    received.update(data);
    receivedBytes += data.byteLength;
  });
  const closed = new Promise<void>((resolve, reject) => {
    stream.on("error", reject);
    stream.on("close", resolve);
  });
  closed.catch(() => undefined);
  for (let left = size; left > 0 && !stream.destroying;) {
    const data = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, left));
    crypto.getRandomValues(data);
    sent.update(data);
    left -= data.byteLength;
    if (!stream.write(data)) {
      const drained = new Promise<void>((resolve) => stream.once("drain", () => resolve()));
      await Promise.race([drained, closed]);
    }
  }
  stream.end();
  await closed;
  return {
    sentHash: sent.digest("hex"),
    receivedHash: received.digest("hex"),
    receivedBytes,
    remotePublicKey: stream.remotePublicKey.toString("hex"),
  };
}
