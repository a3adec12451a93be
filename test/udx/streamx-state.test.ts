import { expect, test } from "bun:test";
import { Duplex, PassThrough, type Writable } from "streamx";
import { isReaderWaiting, isWriterIdle } from "../../src/udx/streamx-state.ts";

// A streamx whose bits mean something else must turn these red: the transport goes past its queues by them.

type Callback = (error: Error | null) => void;

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a writer is idle when it is open, everything was taken, and more may come", async () => {
  const taken: Callback[] = [];
  const stream = new Duplex({
    eagerOpen: true,
    write: (_data: unknown, callback: Callback) => void taken.push(callback),
  });
  expect(isWriterIdle(stream)).toBe(false);
  await tick();
  expect(isWriterIdle(stream)).toBe(true);
  stream.write("a");
  expect(isWriterIdle(stream)).toBe(false);
  await tick();
  expect(isWriterIdle(stream)).toBe(false);
  taken[0]?.(null);
  expect(isWriterIdle(stream)).toBe(true);
  (stream as unknown as Writable & { cork(): void }).cork();
  expect(isWriterIdle(stream)).toBe(false);
});

test("a writer that ends, or was destroyed, is not idle", async () => {
  for (const end of ["end", "destroy"] as const) {
    const stream = new Duplex({ eagerOpen: true });
    stream.on("error", () => undefined);
    await tick();
    stream[end]();
    expect(isWriterIdle(stream)).toBe(false);
    await tick();
    expect(isWriterIdle(stream)).toBe(false);
  }
});

test("a reader waits when it listens, has all there was, and neither paused nor pipes", async () => {
  const stream = new Duplex({ eagerOpen: true });
  await tick();
  expect(isReaderWaiting(stream)).toBe(false);
  stream.on("data", () => undefined);
  await tick();
  expect(isReaderWaiting(stream)).toBe(true);
  stream.push("a");
  expect(isReaderWaiting(stream)).toBe(false);
  await tick();
  expect(isReaderWaiting(stream)).toBe(true);
  stream.pause();
  expect(isReaderWaiting(stream)).toBe(false);
  stream.resume();
  await tick();
  expect(isReaderWaiting(stream)).toBe(true);
  stream.pipe(new PassThrough());
  expect(isReaderWaiting(stream)).toBe(false);
  await tick();
  expect(isReaderWaiting(stream)).toBe(false);
});

test("a reader that is at its end, or was destroyed, waits for nothing", async () => {
  for (const end of ["push", "destroy"] as const) {
    const stream = new Duplex({ eagerOpen: true });
    stream.on("error", () => undefined);
    stream.on("data", () => undefined);
    await tick();
    if (end === "push") stream.push(null);
    else stream.destroy();
    expect(isReaderWaiting(stream)).toBe(false);
    await tick();
    expect(isReaderWaiting(stream)).toBe(false);
  }
});
