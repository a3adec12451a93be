import { expect, test } from "bun:test";
import { Deadlines, type Timed } from "../../src/udx/deadlines.ts";
import { Network } from "./sim/network.ts";
import { connect, createPair, watch } from "./sim/world.ts";

const NEVER = Number.POSITIVE_INFINITY;

class Task implements Timed {
  dueAt = NEVER;
  isWaiting = false;
  isListed = false;
  readonly fired: number[] = [];
  onDue(nowMs: number): void {
    this.fired.push(nowMs);
    this.dueAt = NEVER;
  }
}

function world(): { network: Network; deadlines: Deadlines; timers: () => number } {
  const network = new Network();
  let pending = 0;
  const { clock } = network.runtime;
  const deadlines = new Deadlines({
    ...clock,
    after(delayMs, callback) {
      pending++;
      const cancel = clock.after(delayMs, () => {
        pending--;
        callback();
      });
      return () => {
        pending--;
        cancel();
      };
    },
  });
  return { network, deadlines, timers: () => pending };
}

test("each task is called at its own time by one timer, and at rest there is none", async () => {
  const { network, deadlines, timers } = world();
  const tasks = Array.from({ length: 50 }, () => new Task());
  const startedAt = network.nowMs;
  for (const [i, task] of tasks.entries()) {
    task.dueAt = startedAt + ((i * 37) % 50) + 1;
    deadlines.watch(task, startedAt);
    expect(timers()).toBe(1);
  }
  await network.advance(100);
  const due = tasks.map((_, i) => [startedAt + ((i * 37) % 50) + 1]);
  expect(tasks.map(({ fired }) => fired)).toEqual(due);
  expect(timers()).toBe(0);
});

test("a deadline that moves later is not called early, one that moves earlier not late", async () => {
  const { network, deadlines, timers } = world();
  const task = new Task();
  const startedAt = network.nowMs;
  task.dueAt = startedAt + 10;
  deadlines.watch(task, startedAt);
  task.dueAt = startedAt + 30;
  deadlines.watch(task, startedAt);
  await network.advance(20);
  expect(task.fired).toEqual([]);
  task.dueAt = startedAt + 25;
  deadlines.watch(task, network.nowMs);
  await network.advance(20);
  expect(task.fired).toEqual([startedAt + 25]);
  task.dueAt = network.nowMs + 5;
  deadlines.watch(task, network.nowMs);
  deadlines.forget(task);
  expect(timers()).toBe(0);
});

test("without a deadline left there is no wake-up, and one that comes back is called", async () => {
  const { network, deadlines, timers } = world();
  const [first, second] = [new Task(), new Task()];
  const startedAt = network.nowMs;
  for (const task of [first, second]) {
    task.dueAt = startedAt + 10;
    deadlines.watch(task, startedAt);
  }
  first.dueAt = NEVER;
  deadlines.watch(first, startedAt);
  expect(timers()).toBe(1);
  second.dueAt = NEVER;
  deadlines.watch(second, startedAt);
  expect(timers()).toBe(0);
  first.dueAt = startedAt + 20;
  deadlines.watch(first, startedAt);
  await network.advance(30);
  expect([first.fired, second.fired]).toEqual([[startedAt + 20], []]);
});

test("a thousand idle streams have no timer, and one has when they talk", async () => {
  const network = new Network();
  const [a, b] = createPair(network);
  const { clock } = network.runtime;
  let timers = 0;
  const after = clock.after.bind(clock);
  clock.after = (delayMs, callback) => {
    timers++;
    return after(delayMs, callback);
  };
  const pairs = Array.from({ length: 1000 }, (_, i) => {
    const from = watch(a.udx, a.socket, a.udx.createStream(1000 + i));
    const to = watch(b.udx, b.socket, b.udx.createStream(1000 + i));
    connect(from, to);
    connect(to, from);
    return { from, to };
  });
  await network.advance(60_000);
  expect(timers).toBe(0);
  for (const { from } of pairs) from.stream.write("hello");
  await network.advance(5);
  expect(timers).toBe(1);
  await network.advance(60_000);
  expect(pairs.every(({ to }) => to.received === 5)).toBe(true);
  // A few more while answers come in; far from one for each.
  expect(timers).toBeLessThan(10);
});
