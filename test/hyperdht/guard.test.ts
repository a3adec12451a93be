import type HyperDHT from "@hyperswarm/dht";
import { expect, test } from "bun:test";
import { HyperDHT as Guarded } from "../../src/hyperdht.ts";
import { loadHyperDHT } from "../../src/swarm/node.ts";

const HOST = "127.0.0.1";
const REQUEST_ID = 0x03;
const REPLY_ID = 0x13;

/** A reply to `request`, as in reply-guard.ts. */
function replyTo(request: Uint8Array): Uint8Array {
  return Uint8Array.of(REPLY_ID, 0, request[2] ?? 0, request[3] ?? 0, 127, 0, 0, 1, 0x39, 0x30);
}

/** Pings a friend; a stranger who knows the request's id answers before the friend does. Returns whose answer counts. */
async function whoAnswers(node: HyperDHT): Promise<"friend" | "stranger"> {
  const stranger = await Bun.udpSocket({ hostname: HOST });
  const friend = await Bun.udpSocket({
    hostname: HOST,
    socket: {
      data(socket, request, port, host) {
        if (request[0] !== REQUEST_ID) return;
        stranger.send(replyTo(request), port, host);
        socket.send(replyTo(request), port, host);
      },
    },
  });
  try {
    const { from } = await node.ping({ host: HOST, port: friend.port });
    return from.port === friend.port ? "friend" : "stranger";
  } finally {
    stranger.close();
    friend.close();
    await node.destroy({ force: true });
  }
}

const options = { host: HOST, port: [0, 0] as [number, number], bootstrap: [], firewalled: false };

test("a node refuses an answer from where it did not ask", async () => {
  expect(await whoAnswers(new Guarded(options))).toBe("friend");
});

test("the class underneath takes it", async () => {
  const Original = await loadHyperDHT();
  expect(await whoAnswers(new Original(options))).toBe("stranger");
});
