import { expect, test } from "bun:test";
import { TIME_WAIT_MAX, TIME_WAIT_MS } from "../../src/udx/constants.ts";
import { TYPE_ACK, TYPE_DESTROY, TYPE_END } from "../../src/udx/header.ts";
import { TimeWait } from "../../src/udx/time-wait.ts";
import { Network } from "./sim/network.ts";

const closed = { remoteId: 5, port: 9, host: "127.0.0.1", sndNxt: 3, rcvNxt: 7 };

test("forgets the oldest streams rather than grow", () => {
  const timeWait = new TimeWait(new Network().runtime.clock);
  for (let id = 0; id < TIME_WAIT_MAX + 10; id++) timeWait.add(id, closed);
  expect(timeWait.answer(9, TYPE_END)).toBeUndefined();
  expect(timeWait.answer(10, TYPE_END)).toBeDefined();
  expect(timeWait.answer(TIME_WAIT_MAX + 9, TYPE_END)).toBeDefined();
});

test("answers data and END only: an answer to an ACK could go back and forth for ever", () => {
  const timeWait = new TimeWait(new Network().runtime.clock);
  timeWait.add(1, closed);
  expect(timeWait.answer(1, TYPE_ACK)).toBeUndefined();
  expect(timeWait.answer(1, TYPE_DESTROY)).toBeUndefined();
  expect(timeWait.answer(2, TYPE_END)).toBeUndefined();
  expect(timeWait.answer(1, TYPE_END)?.datagram.toString("hex")).toBe(
    "ff01000005000000000040000300000007000000",
  );
});

test("forgets after a while", async () => {
  const network = new Network();
  const timeWait = new TimeWait(network.runtime.clock);
  timeWait.add(1, closed);
  await network.advance(TIME_WAIT_MS - 1);
  expect(timeWait.answer(1, TYPE_END)).toBeDefined();
  await network.advance(1);
  expect(timeWait.answer(1, TYPE_END)).toBeUndefined();
});
