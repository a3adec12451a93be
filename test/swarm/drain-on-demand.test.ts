import type HyperDHT from "@hyperswarm/dht";
import { afterEach, expect, test } from "bun:test";
import { drainOnDemand } from "../../src/swarm/drain-on-demand.ts";
import { createNode, loadHyperDHT } from "../../src/swarm/node.ts";
import { until } from "../helpers/swarm-world.ts";

const HOST = "127.0.0.1";
const TURN_MS = 750;
const REQUEST_ID = 0x03;
const options = { host: HOST, port: [0, 0] as [number, number], bootstrap: [], firewalled: false };

const nodes: HyperDHT[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.destroy({ force: true })));
});

async function original(): Promise<HyperDHT> {
  const node = new (await loadHyperDHT())(options);
  nodes.push(node);
  return node;
}

/** How often its turns come while nobody asks it for anything. */
function turnsOf({ io }: HyperDHT): () => number {
  let turns = 0;
  const drain = io.congestion.drain.bind(io.congestion);
  io.congestion.drain = () => {
    turns++;
    drain();
  };
  return () => turns;
}

test("a node that does nothing is woken by no timer of dht-rpc's", async () => {
  const quiet = await createNode({ bootstrap: [], host: HOST, firewalled: false });
  nodes.push(quiet);
  const theirs = turnsOf(await original());
  const ours = turnsOf(quiet);
  // The first turn finds that there is nothing to do.
  await until(() => ours() === 1, "the first turn");
  await Bun.sleep(3 * TURN_MS);
  expect({ theirs: theirs() >= 3, ours: ours() }).toEqual({ theirs: true, ours: 1 });
});

test("requests above the window wait for the next turn, and then they are sent", async () => {
  const count = 100;
  const heard = new Set<number>();
  const silent = await Bun.udpSocket({
    hostname: HOST,
    socket: {
      data(_socket, request) {
        if (request[0] === REQUEST_ID) heard.add(request.readUInt16LE(2));
      },
    },
  });
  try {
    const node = await createNode({ bootstrap: [], host: HOST, firewalled: false });
    nodes.push(node);
    const turns = turnsOf(node);
    await until(() => turns() === 1, "the timer to be stopped");
    for (let nth = 0; nth < count; nth++) {
      node.ping({ host: HOST, port: silent.port }).catch(() => undefined);
    }
    expect(node.io.congestion.isFull()).toBe(true);
    await until(() => heard.size === count, "all requests");
  } finally {
    silent.close();
  }
});

test("answers what it would answer with the timer, whenever it is asked", async () => {
  const Original = await loadHyperDHT();
  // Neither has sockets before this tick is over, so neither has a timer.
  const [timed, asked] = [new Original(options), new Original(options)];
  nodes.push(timed, asked);
  let nowMs = 0;
  drainOnDemand(asked.io, () => nowMs);
  const address = { host: HOST, port: 1 };
  let [timedToken, askedToken] = [timed.io.token(address, 1), asked.io.token(address, 1)];
  const isValid = ({ io }: HyperDHT, token: Buffer): boolean =>
    [0, 1].some((index) => io.token(address, index).equals(token));
  for (let step = 0; step < 20_000; step++) {
    const action = Math.floor(Math.random() * 8);
    if (action === 0) {
      const turns = Math.floor(Math.random() ** 4 * 30);
      nowMs += turns * TURN_MS;
      for (let turn = 0; turn < turns; turn++) timed.io._drain();
    } else if (action === 1) {
      timed.io.congestion.recv();
      asked.io.congestion.recv();
    } else if (action < 7) {
      timed.io.congestion.send();
      asked.io.congestion.send();
      expect(asked.io.congestion.isFull()).toBe(timed.io.congestion.isFull());
    } else if (isValid(timed, timedToken)) {
      expect(isValid(asked, askedToken)).toBe(true);
    } else {
      expect(isValid(asked, askedToken)).toBe(false);
      [timedToken, askedToken] = [timed.io.token(address, 1), asked.io.token(address, 1)];
    }
  }
});
