/** Datagrams with a hop limit of their own, queued among others (libudx test/socket-send-recv-ttl.c). */
import { expect, test } from "bun:test";
import type { Runtime } from "../../src/udx/runtime.ts";
import { UDX } from "../../src/udx/udx.ts";
import { Network } from "../udx/sim/network.ts";

test("9.1.2: each datagram leaves with its own limit, in order, and the default is back afterwards", async () => {
  const network = new Network();
  const left: [string, number][] = [];
  const runtime: Runtime = {
    ...network.runtime,
    bindUdp(options, events) {
      const handle = network.runtime.bindUdp(options, events);
      let limit = 64;
      return {
        ...handle,
        setTTL: (ttl) => void (limit = ttl),
        sendMany(batch) {
          for (const field of batch) {
            if (typeof field === "object") left.push([Buffer.from(field).toString(), limit]);
          }
          return handle.sendMany(batch);
        },
      };
    },
  };
  const socket = new UDX(runtime).createSocket();
  const receiver = new UDX(network.runtime).createSocket();
  socket.bind(0, "10.0.0.1");
  receiver.bind(0, "10.0.0.2");
  const heard: string[] = [];
  receiver.on("message", (message) => heard.push(message.toString()));
  const { port, host } = receiver.address() ?? { port: 0, host: "" };
  for (const [text, ttl] of [
    ["plain", 0],
    ["five", 5],
    ["sixty-four", 64],
    ["two", 2],
  ] as const) {
    socket.trySend(Buffer.from(text), port, host, ttl);
  }
  socket.setTTL(9);
  socket.trySend(Buffer.from("default"), port, host);
  await network.advance(50);
  expect(left).toEqual([
    ["plain", 64],
    ["five", 5],
    ["sixty-four", 64],
    ["two", 2],
    ["default", 9],
  ]);
  expect(heard).toEqual(["plain", "five", "sixty-four", "two", "default"]);
});
