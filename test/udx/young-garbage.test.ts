import { expect, test } from "bun:test";
import { bunRuntime } from "../../src/udx/runtime.ts";

const HOST = "127.0.0.1";
const DATAGRAM_BYTES = 1400;
const DATAGRAMS_PER_TURN = 50;
/** What else the program holds: JavaScriptCore by itself would wait for as much garbage. */
const HELD_BYTES = 64_000_000;
const RECEIVED_BYTES = 12_000_000;
const WATCHED = 100;

test("what was received and read is collected soon, however much the program holds", async () => {
  const watched: WeakRef<Buffer>[] = [];
  let received = 0;
  const isDone = (): boolean => received >= RECEIVED_BYTES;
  const options = { host: HOST, port: 0, ipv6Only: false, reuseAddress: false };
  const receiver = bunRuntime.bindUdp(options, {
    onDatagram(datagram) {
      received += datagram.length;
      if (watched.length < WATCHED) watched.push(new WeakRef(datagram));
    },
    onWritable: () => undefined,
  });
  const sender = bunRuntime.bindUdp(options, {
    onDatagram: () => undefined,
    onWritable: () => undefined,
  });
  const held = Buffer.alloc(HELD_BYTES, 1);
  Bun.gc(true);
  const one = [new Uint8Array(DATAGRAM_BYTES), receiver.port, HOST];
  const batch = Array.from({ length: DATAGRAMS_PER_TURN }, () => one).flat();
  while (!isDone()) {
    sender.sendMany(batch);
    await Bun.sleep(0);
  }
  sender.close();
  receiver.close();
  const left = watched.filter((datagram) => datagram.deref() !== undefined);
  expect(held.length).toBe(HELD_BYTES);
  // The stack may seem to point to one or another.
  expect(left.length).toBeLessThan(WATCHED / 10);
});
