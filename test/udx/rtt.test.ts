import { expect, test } from "bun:test";
import { RttEstimator } from "../../src/udx/rtt.ts";

test("starts as RFC 6298 (2.2) and (2.3) say", () => {
  const rtt = new RttEstimator();
  expect(rtt.rto).toBe(1000);
  rtt.update(400, 0);
  expect([rtt.srtt, rtt.rttvar, rtt.rto]).toEqual([400, 200, 1200]);
  rtt.update(480, 1);
  expect([rtt.srtt, rtt.rttvar]).toEqual([410, 170]);
});

test("the time-out stays between one second and thirty", () => {
  const rtt = new RttEstimator();
  rtt.update(1, 0);
  expect(rtt.rto).toBe(1000);
  const slow = new RttEstimator();
  slow.update(29_000, 0);
  expect(slow.rto).toBe(30_000);
});

test("a sample of zero is a sample", () => {
  const rtt = new RttEstimator();
  rtt.update(0, 0);
  expect(rtt.hasSample).toBe(true);
  rtt.update(8, 1);
  expect(rtt.srtt).toBe(1);
});

test("waking from suspend does not set the time-out to minutes", () => {
  const rtt = new RttEstimator();
  for (let time = 0; time < 50; time++) rtt.update(20, time);
  rtt.update(3_600_000, 100);
  expect(rtt.srtt).toBeLessThan(30);
  const first = new RttEstimator();
  first.update(3_600_000, 0);
  expect(first.srtt).toBe(30_000);
});

test("the minimum is forgotten after five minutes", () => {
  const rtt = new RttEstimator();
  rtt.update(5, 0);
  rtt.update(50, 299_000);
  expect(rtt.min).toBe(5);
  rtt.update(60, 300_001);
  expect(rtt.min).toBe(50);
});
