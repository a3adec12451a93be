/** A copy that has become a DHT node stores what anybody gives it, and must not grow with it. */
import { expect, test } from "bun:test";
import { blake2b256 } from "../../src/core/hash.ts";
import { DHT_ENTRIES_MAX } from "../../src/core/limits.ts";
import { joinNetwork } from "../../src/swarm/join.ts";
import { createLoopbackDht } from "../helpers/dht.ts";

const VALUE_BYTES = 1_000;
/** hyperdht lib/constants.js, COMMANDS. */
const IMMUTABLE_PUT = 8;
const IMMUTABLE_GET = 9;
/** The flood's requests that are under way together. */
const AT_ONCE = 32;

/** What dht-rpc and hyperdht keep to themselves. */
interface Inside {
  _natAdd(host: string, port: number): void;
  _updateNetworkState(): Promise<boolean>;
  readonly _persistent: { readonly immutables: { readonly size: number } } | null;
}

test("keeps a bounded number of the values that a stranger floods it with, the latest among them", async () => {
  const net = await createLoopbackDht(3);
  const copy = await joinNetwork(net.bootstrap);
  try {
    await copy.fullyBootstrapped();
    const { port } = copy.address() ?? { port: 0 };
    const address = { host: "127.0.0.1", port };
    const inside = copy as unknown as Inside;
    // Else it takes 20 minutes.
    inside._natAdd(address.host, port);
    await inside._updateNetworkState();
    expect(copy.ephemeral).toBe(false);

    const stranger = await net.createNode();
    const value = (nth: number): Buffer => Buffer.alloc(VALUE_BYTES, `${nth} `);
    const target = (nth: number): Uint8Array => blake2b256(value(nth));
    const ask = (nth: number) =>
      stranger.request(
        { command: IMMUTABLE_GET, target: target(nth), token: null, value: null },
        address,
      );
    const { token } = await ask(0);
    const put = (nth: number) =>
      stranger.request(
        { command: IMMUTABLE_PUT, target: target(nth), token, value: value(nth) },
        address,
      );
    const flood = DHT_ENTRIES_MAX * 2;
    for (let first = 0; first < flood; first += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => put(first + at)));
    }
    const kept = inside._persistent?.immutables.size ?? 0;
    expect(kept).toBeGreaterThanOrEqual(DHT_ENTRIES_MAX / 2);
    expect(kept).toBeLessThanOrEqual(DHT_ENTRIES_MAX);
    expect((await ask(flood - 1)).value).toEqual(value(flood - 1));
    expect((await ask(0)).value).toBeNull();
  } finally {
    await copy.destroy({ force: true });
    await net.destroy();
  }
});
