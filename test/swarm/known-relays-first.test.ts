import type HyperDHT from "@hyperswarm/dht";
import type { PeerQuery, SecretStream, Session } from "@hyperswarm/dht";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { knownRelaysFirst } from "../../src/swarm/known-relays-first.ts";
import { createLoopbackDht, type LoopbackDht } from "../helpers/dht.ts";

const HEAD_START_MS = 250;
const HANDSHAKES = 1;

let dht: LoopbackDht;
beforeAll(async () => {
  dht = await createLoopbackDht(5);
});
afterAll(() => dht.destroy());

interface Stats {
  readonly stats: { readonly requests: { readonly total: number } };
}

const requests = (node: HyperDHT): number => (node as unknown as Stats).stats.requests.total;

async function listen(node: HyperDHT): Promise<Buffer> {
  const server = node.createServer((stream) => void stream.on("error", () => undefined).resume());
  await server.listen();
  return server.publicKey ?? Buffer.alloc(0);
}

/** Opens a connection and closes it; the requests that took. */
async function visit(node: HyperDHT, key: Buffer): Promise<number> {
  const before = requests(node);
  const stream = node.connect(key);
  stream.on("error", () => undefined);
  expect(await stream.opened).toBe(true);
  const sent = requests(node) - before;
  await closed(stream);
  return sent;
}

const closed = (stream: SecretStream): Promise<void> =>
  new Promise((resolve) => stream.once("close", () => resolve()).destroy());

test("a peer met before is not looked for while the nodes that led to it answer", async () => {
  const [a, b] = [await dht.createNode(), await dht.createNode()];
  const key = await listen(b);
  expect(await visit(a, key)).toBeGreaterThan(HANDSHAKES);
  const before = requests(a);
  for (let again = 0; again < 5; again++) expect(await visit(a, key)).toBe(HANDSHAKES);
  await Bun.sleep(2 * HEAD_START_MS);
  expect(requests(a) - before).toBe(5 * HANDSHAKES);
}, 30_000);

test("a peer met before that has moved is looked for", async () => {
  const [a, b, c] = [await dht.createNode(), await dht.createNode(), await dht.createNode()];
  const key = await listen(b);
  await visit(a, key);
  const { defaultKeyPair } = b;
  await b.destroy();
  const server = c.createServer((stream) => void stream.on("error", () => undefined).resume());
  await server.listen(defaultKeyPair);
  expect(await visit(a, key)).toBeGreaterThan(HANDSHAKES);
}, 30_000);

test("a connection that has still to be punched outlives the end of its search", async () => {
  const firewalled = { firewalled: true };
  const [a, b] = [await dht.createNode(firewalled), await dht.createNode(firewalled)];
  const key = await listen(b);
  for (let again = 0; again < 3; again++) await visit(a, key);
}, 60_000);

class FakeQuery {
  readonly done: string[] = [];
  _open(callback: (error: Error | null) => void): void {
    this.done.push("open");
    callback(null);
  }
  _read(): void {
    this.done.push("read");
  }
  _predestroy(): void {
    this.done.push("predestroy");
  }
  push(): boolean {
    this.done.push("end");
    return true;
  }
}

/** A held query, whether it has opened, and what it did. */
function hold(): { query: FakeQuery; session: Session; tick: () => void; opened: () => boolean } {
  const query = new FakeQuery();
  const node = { findPeer: () => query as unknown as PeerQuery };
  let due: (() => void) | undefined;
  knownRelaysFirst(node, {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after: (_, callback) => {
      due = callback;
      return () => (due = undefined);
    },
  });
  const session = { destroy: () => undefined };
  const nodes = [{ host: "127.0.0.1", port: 1 }];
  (node as unknown as Pick<HyperDHT, "findPeer">).findPeer(Buffer.alloc(32), { nodes, session });
  let isOpen = false;
  query._open(() => (isOpen = true));
  return { query, session, tick: () => due?.(), opened: () => isOpen };
}

test("held back until the head start is over", () => {
  const { query, tick, opened } = hold();
  expect([opened(), query.done]).toEqual([false, []]);
  tick();
  expect([opened(), query.done]).toEqual([true, ["open"]]);
});

test("ends without a search when the session ends first, and when it is destroyed itself", () => {
  for (const end of [
    (held: ReturnType<typeof hold>) => held.session.destroy(),
    (held: ReturnType<typeof hold>) => held.query._predestroy(),
  ]) {
    const held = hold();
    end(held);
    expect(held.opened()).toBe(true);
    (held.query as unknown as PeerQuery)._read(() => undefined);
    held.tick();
    expect(held.query.done).toEqual(["end"]);
  }
});
