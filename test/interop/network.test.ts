import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type HyperDHT from "@hyperswarm/dht";
import type { Address, KeyPair } from "@hyperswarm/dht";
import { loadHyperDHT } from "../../src/swarm/node.ts";
import { createLoopbackDht, type LoopbackDht } from "../helpers/dht.ts";
import { NodePeer, type Transfer, transfer } from "../helpers/node-peer.ts";

// One network: a routing node and an ephemeral one with the original udx-native and sodium-native under Node,
// two routing nodes and an ephemeral one of ours. "theirs" and "ours" say which side does a thing.

const SETUP_TIMEOUT_MS = 30_000;
const TEST_TIMEOUT_MS = 30_000;
const TRANSFER_BYTES = 50_000_000;

const peer = new NodePeer();
let theirBootstrap: Address;
let dht: LoopbackDht;
let ours: HyperDHT;
let seeds = 0;

/** A key pair of its own for each use, known to both sides. */
async function keys(): Promise<{ seed: string; keyPair: KeyPair; publicKey: string }> {
  const seed = Buffer.alloc(32, `interop ${++seeds} `);
  const keyPair = (await loadHyperDHT()).keyPair(seed);
  return { seed: seed.toString("hex"), keyPair, publicKey: keyPair.publicKey.toString("hex") };
}

/** What a promise is rejected with; undefined when it resolves. */
function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

beforeAll(async () => {
  theirBootstrap = await peer.start("router", []);
  dht = await createLoopbackDht(2, { join: [theirBootstrap] });
  ours = await dht.createNode();
  await peer.start("client", [theirBootstrap], { ephemeral: true });
}, SETUP_TIMEOUT_MS);

afterAll(async () => {
  await dht.destroy();
  await peer.stop();
}, SETUP_TIMEOUT_MS);

describe("bootstrap", () => {
  test(
    "ours joins through theirs and learns the others",
    () => {
      expect(ours.toArray().length).toBeGreaterThanOrEqual(2);
      expect(ours.host).toBe("127.0.0.1");
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "theirs joins through ours alone",
    async () => {
      const [router] = dht.nodes;
      const port = router?.address()?.port ?? 0;
      const { keyPair, publicKey } = await keys();
      // Ephemeral: a routing node that leaves costs everyone timeouts in the tests after this one.
      await peer.start("late", [{ host: "127.0.0.1", port }], { ephemeral: true });
      const value = Buffer.from("put through the one node of ours it knew");
      await ours.mutablePut(keyPair, value, { seq: 1 });
      expect(
        await peer.call<{ seq: number; value: string } | null>("mutableGet", {
          node: "late",
          publicKey,
        }),
      ).toEqual({ seq: 1, value: value.toString("hex") });
      await peer.call("destroy", { node: "late" });
    },
    TEST_TIMEOUT_MS,
  );
});

describe("announce and lookup", () => {
  const topic = Buffer.alloc(32, "interop topic");

  test(
    "theirs announces, ours finds it, until it unannounces",
    async () => {
      const { seed, publicKey } = await keys();
      const args = { node: "client", topic: topic.toString("hex"), seed };
      await peer.call("announce", args);
      expect(await lookup(topic)).toContain(publicKey);
      await peer.call("unannounce", args);
      expect(await lookup(topic)).not.toContain(publicKey);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "ours announces, theirs finds it, until it unannounces",
    async () => {
      const { keyPair, publicKey } = await keys();
      const args = { node: "client", topic: topic.toString("hex") };
      await ours.announce(topic, keyPair).finished();
      expect(await peer.call<string[]>("lookup", args)).toContain(publicKey);
      await ours.unannounce(topic, keyPair);
      expect(await peer.call<string[]>("lookup", args)).not.toContain(publicKey);
    },
    TEST_TIMEOUT_MS,
  );

  async function lookup(target: Buffer): Promise<string[]> {
    const found: string[] = [];
    for await (const { peers } of ours.lookup(target)) {
      for (const { publicKey } of peers) found.push(publicKey.toString("hex"));
    }
    return found;
  }
});

describe("records", () => {
  test(
    "ours puts mutable records, theirs gets the newest, and the other way round",
    async () => {
      const { seed, keyPair, publicKey } = await keys();
      await ours.mutablePut(keyPair, Buffer.from("one"), { seq: 1 });
      await ours.mutablePut(keyPair, Buffer.from("two"), { seq: 2 });
      expect(
        await peer.call<{ seq: number; value: string } | null>("mutableGet", {
          node: "client",
          publicKey,
        }),
      ).toEqual({ seq: 2, value: Buffer.from("two").toString("hex") });

      const value = Buffer.from("three").toString("hex");
      await peer.call("mutablePut", { node: "client", seed, value, seq: 3 });
      const found = await ours.mutableGet(keyPair.publicKey);
      expect([found?.seq, found?.value.toString()]).toEqual([3, "three"]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "immutable records cross in both directions",
    async () => {
      const value = Buffer.from("immutable, from ours");
      const { hash } = await ours.immutablePut(value);
      expect(
        await peer.call<string | null>("immutableGet", {
          node: "client",
          hash: hash.toString("hex"),
        }),
      ).toBe(value.toString("hex"));
      const other = Buffer.from("immutable, from theirs");
      const theirs = await peer.call<string>("immutablePut", {
        node: "client",
        value: other.toString("hex"),
      });
      const found = await ours.immutableGet(Buffer.from(theirs, "hex"));
      expect(found?.value.toString()).toBe(other.toString());
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a record nobody put is not found, by either side",
    async () => {
      const { keyPair, publicKey } = await keys();
      expect(await ours.mutableGet(keyPair.publicKey)).toBeNull();
      expect(
        await peer.call<null | object>("mutableGet", { node: "client", publicKey }),
      ).toBeNull();
    },
    TEST_TIMEOUT_MS,
  );
});

describe("connections", () => {
  test(
    "ours connects to theirs: 50 MB each way, hashes and keys agree",
    async () => {
      const { seed, publicKey } = await keys();
      await peer.call("listen", { node: "client", seed, size: TRANSFER_BYTES });
      const stream = ours.connect(Buffer.from(publicKey, "hex"));
      const mine = await transfer(stream, TRANSFER_BYTES);
      const [served] = await peer.call<Transfer[]>("accepted", { seed });
      agree(mine, served, TRANSFER_BYTES);
      expect(mine.remotePublicKey).toBe(publicKey);
      expect(served?.remotePublicKey).toBe(ours.defaultKeyPair.publicKey.toString("hex"));
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "theirs connects to ours: 50 MB each way, hashes and keys agree",
    async () => {
      const { keyPair, publicKey } = await keys();
      const accepted = Promise.withResolvers<Transfer>();
      const server = ours.createServer((stream) => {
        transfer(stream, TRANSFER_BYTES).then(accepted.resolve, accepted.reject);
      });
      await server.listen(keyPair);
      const theirs = await peer.call<Transfer>("connect", {
        node: "client",
        publicKey,
        size: TRANSFER_BYTES,
      });
      agree(await accepted.promise, theirs, TRANSFER_BYTES);
      expect(theirs.remotePublicKey).toBe(publicKey);
      await server.close();
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "ours connects to ours across their routing node",
    async () => {
      const { keyPair, publicKey } = await keys();
      const other = await dht.createNode({ bootstrap: [theirBootstrap] });
      const accepted = Promise.withResolvers<Transfer>();
      const server = other.createServer((stream) => {
        transfer(stream, 1_000_000).then(accepted.resolve, accepted.reject);
      });
      await server.listen(keyPair);
      const mine = await transfer(ours.connect(Buffer.from(publicKey, "hex")), 1_000_000);
      agree(mine, await accepted.promise, 1_000_000);
      await server.close();
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "many at once, both directions, small and empty",
    async () => {
      const { seed, publicKey } = await keys();
      await peer.call("listen", { node: "client", seed, size: 10_000 });
      const target = Buffer.from(publicKey, "hex");
      const mine = await Promise.all(
        Array.from({ length: 20 }, (_, i) => transfer(ours.connect(target), i * 1_000)),
      );
      const served = await peer.call<Transfer[]>("accepted", { seed });
      const hashes = (list: readonly Transfer[], key: "sentHash" | "receivedHash"): string[] =>
        list.map((one) => one[key]).toSorted();
      expect(hashes(served, "receivedHash")).toEqual(hashes(mine, "sentHash"));
      expect(hashes(mine, "receivedHash")).toEqual(hashes(served, "sentHash"));
      expect(mine.map(({ receivedBytes }) => receivedBytes)).toEqual(Array(20).fill(10_000));
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "destroying one end closes the other, whichever side does it",
    async () => {
      const { seed, publicKey } = await keys();
      await peer.call("listen", { node: "client", seed, size: TRANSFER_BYTES });
      const stream = ours.connect(Buffer.from(publicKey, "hex"));
      const closed = new Promise<void>((resolve) => stream.once("close", () => resolve()));
      stream.once("data", () => stream.destroy());
      await closed;
      const [served] = await peer.call<(Transfer & { error?: string })[]>("accepted", { seed });
      expect(served).toBeDefined();
      expect(served?.receivedBytes ?? 0).toBe(0);
    },
    TEST_TIMEOUT_MS,
  );

  function agree(mine: Transfer, theirs: Transfer | undefined, size: number): void {
    expect(mine.receivedBytes).toBe(size);
    expect(theirs?.receivedBytes).toBe(size);
    expect(mine.receivedHash).toBe(theirs?.sentHash ?? "");
    expect(theirs?.receivedHash).toBe(mine.sentHash);
  }
});

describe("authentication", () => {
  test(
    "a server of theirs that refuses our key refuses the connection",
    async () => {
      const { seed, publicKey } = await keys();
      await peer.call("listen", { node: "client", seed, size: 10, refuse: true });
      const attempt = transfer(ours.connect(Buffer.from(publicKey, "hex")), 10);
      expect(await failure(attempt)).toBeInstanceOf(Error);
      expect(await peer.call<Transfer[]>("accepted", { seed })).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a server of ours that refuses their key refuses the connection",
    async () => {
      const { keyPair, publicKey } = await keys();
      const refused: string[] = [];
      let connections = 0;
      const server = ours.createServer(
        {
          firewall: (remotePublicKey) => {
            refused.push(remotePublicKey.toString("hex"));
            return true;
          },
        },
        () => connections++,
      );
      await server.listen(keyPair);
      const attempt = peer.call<Transfer>("connect", { node: "client", publicKey, size: 10 });
      expect(await failure(attempt)).toBeInstanceOf(Error);
      expect(refused.length).toBeGreaterThan(0);
      expect(connections).toBe(0);
      await server.close();
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "nobody can serve under a key it does not hold, not even where the handshake ends",
    async () => {
      const liar = await keys();
      const victim = await keys();
      await peer.call("listen", { node: "router", seed: liar.seed, size: 10 });
      await peer.call("impersonate", {
        node: "router",
        seed: liar.seed,
        publicKey: victim.publicKey,
      });
      // The caller is told that the liar's node is where to ask for both keys.
      const connect = (key: string): Promise<Transfer> => {
        const relayAddresses = [theirBootstrap];
        return transfer(ours.connect(Buffer.from(key, "hex"), { relayAddresses }), 10);
      };
      expect((await connect(liar.publicKey)).remotePublicKey).toBe(liar.publicKey);
      expect(await failure(connect(victim.publicKey))).toBeInstanceOf(Error);
      expect(await peer.call<Transfer[]>("accepted", { seed: liar.seed })).toHaveLength(1);
    },
    TEST_TIMEOUT_MS,
  );
});
