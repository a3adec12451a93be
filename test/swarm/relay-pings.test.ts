import { expect, test } from "bun:test";
import { pingRelaysLessOften } from "../../src/swarm/relay-pings.ts";
import { createLoopbackDht } from "../helpers/dht.ts";
import { until } from "../helpers/swarm-world.ts";

test("a server pings its relays every 15 seconds and announces anew every five minutes", async () => {
  const net = await createLoopbackDht(3);
  try {
    const dht = await net.createNode();
    const server = dht.createServer(() => undefined);
    await server.listen();
    const { _announcer: announcer } = server;
    if (announcer === null) throw new Error("it does not listen");
    let waitedMs = 0;
    const announcedAfterMs: number[] = [];
    // HyperDHT's own loop, in a time that passes quickly.
    announcer._sleeper.pause = async (delayMs) => {
      await Bun.sleep(1);
      waitedMs += delayMs;
    };
    const refresh = announcer.refresh.bind(announcer);
    announcer.refresh = () => {
      announcedAfterMs.push(waitedMs);
      refresh();
    };
    pingRelaysLessOften(server);
    let pings = 0;
    const ping = dht.ping.bind(dht);
    dht.ping = (address) => {
      pings++;
      return ping(address);
    };
    announcer._sleeper.resume();
    await until(() => announcedAfterMs.length === 2, "two announcements");
    expect(announcedAfterMs).toEqual([300_000, 600_000]);
    // Before each of the 39 pauses since.
    expect(pings).toBeGreaterThanOrEqual(39);
    await server.close();
  } finally {
    await net.destroy();
  }
});
