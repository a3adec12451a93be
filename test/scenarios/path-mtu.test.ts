/** The search for the path MTU with padded DATA packets. */
import { expect, test } from "bun:test";
import { MTU_BASE, MTU_MAX } from "../../src/udx/constants.ts";
import { PathMtu } from "../../src/udx/mtu.ts";
import { Network } from "../udx/sim/network.ts";
import { createPair, pattern, type Watch, writeAll } from "../udx/sim/world.ts";

const IP_UDP_HEADERS = 28;

/** Simulated sockets cannot forbid fragments, so by default nothing is searched; pretend they can. */
function pair(network: Network, isUnfragmented: boolean): [Watch, Watch] {
  network.isUnfragmented = isUnfragmented;
  return createPair(network);
}

async function transfer(
  network: Network,
  isUnfragmented = true,
  bytes = 1_000_000,
): Promise<Watch> {
  const [a, b] = pair(network, isUnfragmented);
  // One size is tried per round trip.
  network.link.rate = 2000;
  const data = pattern(bytes);
  writeAll(a.stream, data);
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  expect(Buffer.concat(b.chunks).equals(data)).toBe(true);
  return a;
}

test("climbs to the largest size where the path carries it, without a retransmission", async () => {
  const a = await transfer(new Network());
  expect(a.stream.mtu).toBe(MTU_MAX);
  expect(a.stream.retransmits).toBe(0);
});

test("stays at the base where a probe could be fragmented unseen", async () => {
  const network = new Network();
  let largest = 0;
  network.link.drop = (datagram) => {
    largest = Math.max(largest, datagram.length);
    return false;
  };
  const a = await transfer(network, false);
  expect(a.stream.mtu).toBe(MTU_BASE);
  expect(largest).toBe(MTU_BASE - IP_UDP_HEADERS);
});

for (const limit of [1200, 1280, 1420]) {
  test(`settles below a limit of ${limit}, and lost probes are no congestion`, async () => {
    const network = new Network();
    network.link.drop = (datagram) => datagram.length + IP_UDP_HEADERS > limit;
    const a = await transfer(network);
    expect(a.stream.mtu).toBeLessThanOrEqual(limit);
    expect(a.stream.mtu).toBeGreaterThan(limit - 32);
    expect(network.dropped).toBe(3);
    expect(a.stream.fastRecoveries).toBe(0);
    expect(a.stream.rtoCount).toBe(0);
  });
}

test("9.1.13: with every probe lost, 10 MiB arrive and the size stays at the base", async () => {
  const network = new Network();
  network.link.drop = (datagram) => datagram.length + IP_UDP_HEADERS > MTU_BASE;
  const a = await transfer(network, true, 10 * 1024 * 1024);
  expect(a.stream.mtu).toBe(MTU_BASE);
});

test("padding is not counted as traffic", async () => {
  const network = new Network();
  const [a, b] = pair(network, true);
  writeAll(a.stream, pattern(200_000));
  b.stream.end();
  await network.runUntil(() => a.isClosed && b.isClosed);
  const { bytesTransmitted, packetsTransmitted } = a.stream;
  expect(bytesTransmitted).toBe(200_000 + 20 * packetsTransmitted);
});

test("never pads beyond what the data offset can say, nor twice at once", () => {
  const mtu = new PathMtu();
  mtu.reset(4, MTU_MAX);
  expect(mtu.paddingFor(1152)).toBe(0);
  mtu.onFirstAck();
  expect(mtu.paddingFor(1152)).toBe(32);
  expect(mtu.paddingFor(929)).toBe(255);
  expect(mtu.paddingFor(928)).toBe(0);
  mtu.onProbeSent();
  expect(mtu.paddingFor(1152)).toBe(0);
});
