import { expect, test } from "bun:test";
import type HyperDHT from "@hyperswarm/dht";
import { pingRelaysLessOften } from "../../src/swarm/relay-pings.ts";
import { createLoopbackDht } from "../helpers/dht.ts";
import { until } from "../helpers/swarm-world.ts";

/** A server in whose announcer time passes quickly; `announced`: after how many milliseconds it announced itself anew. */
async function listening(dht: HyperDHT) {
  const server = dht.createServer(() => undefined);
  await server.listen();
  const { _announcer: announcer } = server;
  if (announcer === null) throw new Error("it does not listen");
  let waitedMs = 0;
  const announced: number[] = [];
  announcer._sleeper.pause = async (delayMs) => {
    await Bun.sleep(1);
    waitedMs += delayMs;
  };
  const refresh = announcer.refresh.bind(announcer);
  announcer.refresh = () => {
    announced.push(waitedMs);
    refresh();
  };
  pingRelaysLessOften(server);
  return { server, announcer, announced };
}

test("a server pings its relays every 15 seconds and announces anew every five minutes", async () => {
  const net = await createLoopbackDht(3);
  try {
    const dht = await net.createNode();
    const { server, announcer, announced } = await listening(dht);
    let pings = 0;
    const ping = dht.ping.bind(dht);
    dht.ping = (address) => {
      pings++;
      return ping(address);
    };
    announcer._sleeper.resume();
    await until(() => announced.length === 2, "two announcements");
    expect(announced).toEqual([300_000, 600_000]);
    // Before each of the 39 pauses since.
    expect(pings).toBeGreaterThanOrEqual(39);
    await server.close();
  } finally {
    await net.destroy();
  }
});

test("a server that was offline when it announced itself does it again at the next ping", async () => {
  const net = await createLoopbackDht(3);
  try {
    const { server, announcer, announced } = await listening(await net.createNode());
    // As it is after an announcement that nobody has answered.
    announcer.relays = [];
    announcer._sleeper.resume();
    await until(() => announced.length === 1, "an announcement");
    expect(announced).toEqual([15_000]);
    await until(() => announcer.relays.length > 0, "relays");
    await server.close();
  } finally {
    await net.destroy();
  }
});
