/** Silence: one packet is sent at 0, 1, 3, 5, 7, 9 and 11 time-outs and the stream fails at 13. */
import { expect, test } from "bun:test";
import { Network } from "../udx/sim/network.ts";
import { createStream, ScriptedPeer } from "../udx/sim/world.ts";

test("9.1.22, 9.3.6: gives up after seven transmissions", async () => {
  const network = new Network();
  const sender = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", sender);
  sender.stream.connect(sender.socket, 2, peer.port, peer.host);
  const startedAt = network.nowMs;
  sender.stream.write("into the void");
  await network.runUntil(() => sender.isClosed, 60_000);

  expect(sender.error).toMatchObject({ code: "ETIMEDOUT" });
  const delay = network.link.delayMs;
  const sentAt = peer.packets.map(({ at }) => Math.round(at - startedAt - delay));
  expect(sentAt).toEqual([0, 1000, 3000, 5000, 7000, 9000, 11_000]);
  expect(Math.round(network.nowMs - startedAt)).toBe(13_000);
});

test("9.1.22: a write that can no longer arrive is cancelled with the stream", async () => {
  const network = new Network();
  const sender = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", sender);
  sender.stream.connect(sender.socket, 2, peer.port, peer.host);
  sender.stream.write("into the void");
  let outcome: boolean | undefined;
  void sender.stream.flush().then((isFlushed) => (outcome = isFlushed));
  await network.runUntil(() => sender.isClosed, 60_000);
  await network.advance(1);
  expect(outcome).toBe(false);
});
