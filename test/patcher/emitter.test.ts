import { expect, test } from "bun:test";
import { once } from "node:events";
import { Emitter } from "../../src/patcher/emitter.ts";

interface Events {
  said: [text: string];
  ended: [];
}

test("calls listeners in order, those of once one time, and none that was taken away", () => {
  const emitter = new Emitter<Events>();
  const heard: string[] = [];
  const first = (text: string): void => void heard.push(`first ${text}`);
  emitter.on("said", first).once("said", (text) => heard.push(`once ${text}`));
  expect(emitter.emit("said", "a")).toBe(true);
  emitter.off("said", first);
  expect(emitter.listenerCount("said")).toBe(0);
  expect(emitter.emit("said", "b")).toBe(false);
  expect(heard).toEqual(["first a", "once a"]);
});

test("a listener that takes another away changes the next event, not this one", () => {
  const emitter = new Emitter<Events>();
  let count = 0;
  const second = (): void => void count++;
  emitter.on("ended", () => emitter.off("ended", second)).on("ended", second);
  emitter.emit("ended");
  emitter.emit("ended");
  expect(count).toBe(1);
});

test("is taken by events.once", async () => {
  const emitter = new Emitter<Events>();
  // Its type asks for the whole of an EventEmitter.
  const heard = once(emitter as unknown as NodeJS.EventEmitter, "said");
  emitter.emit("said", "a");
  expect(await heard).toEqual(["a"]);
});
