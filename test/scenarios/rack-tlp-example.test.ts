/** RFC 8985 section 3.4: of four packets only the first arrives; the tail-loss probe starts the repair. */
import { expect, test } from "bun:test";
import { TYPE_ACK, TYPE_DATA, TYPE_SACK } from "../../src/udx/header.ts";
import { Network } from "../udx/sim/network.ts";
import { createStream, sackBlocks, ScriptedPeer } from "../udx/sim/world.ts";

test("9.1.21: the probe's SACK reveals the losses, and a lost repair is found again", async () => {
  const network = new Network();
  network.link.delayMs = 50;
  const sender = createStream(network, "10.0.0.1", 1);
  const peer = new ScriptedPeer(network, "10.0.0.2", sender);
  sender.stream.connect(sender.socket, 2, peer.port, peer.host);

  const transmissions = [0, 0, 0, 0];
  peer.onPacket = ({ type, seq }) => {
    if ((type & TYPE_DATA) === 0) return;
    transmissions[seq] = (transmissions[seq] ?? 0) + 1;
    const count = transmissions[seq];
    // P0 arrives; P1 and P2 are lost, P3 only arrives as the probe; then P1 is lost once more.
    if (seq === 0) peer.send({ type: TYPE_ACK, ack: 1 });
    if (seq === 3 && count === 2) {
      peer.send({ type: TYPE_SACK, ack: 1, body: sackBlocks([3, 4]) });
    }
    if (seq === 2 && count === 2) {
      peer.send({ type: TYPE_SACK, ack: 1, body: sackBlocks([2, 4]) });
    }
    if (seq === 1 && count === 3) peer.send({ type: TYPE_ACK, ack: 4 });
  };
  sender.stream.write(Buffer.alloc(4 * 1152));
  await network.runUntil(() => transmissions[1] === 3, 3000);
  await network.advance(200);

  expect(transmissions).toEqual([1, 3, 2, 2]);
  expect(sender.stream.fastRecoveries).toBe(1);
  expect(sender.stream.rtoCount).toBe(0);
});
