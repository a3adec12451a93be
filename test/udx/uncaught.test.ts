import { expect, test } from "bun:test";

test("9.2.17, 9.2.43, 9.2.44, 9.2.49: exceptions in handlers, and writing too early, are uncaught errors after which all can be closed", async () => {
  const script = new URL("peers/uncaught.ts", import.meta.url).pathname;
  const child = Bun.spawn([process.execPath, script], { stdout: "pipe", timeout: 10_000 });
  const output = await new Response(child.stdout).text();
  expect(JSON.parse(output)).toEqual([
    "socket listener",
    "then 2",
    "stream listener",
    "then 4",
    "change listener",
    "flushed true",
    "data handler",
    "ERR_ASSERTION",
    "all closed",
  ]);
  expect(await child.exited).toBe(0);
}, 15_000);
