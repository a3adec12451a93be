/**
 * A DHT on loopback in a process of its own, and on it whoever serves the executable given. Says where the DHT is on
 * the first line of stdout, when it can be asked; ends with its stdin.
 */
import { systemClock } from "../../src/core/clock.ts";
import { publishExecutable } from "../../src/release/publish.ts";
import { createLoopbackDht } from "../helpers/dht.ts";

const NODES = 3;
const [, , path = ""] = process.argv;

const ended = new AbortController();
process.stdin.on("end", () => ended.abort()).resume();
const net = await createLoopbackDht(NODES);
const bootstrap = net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(",");
let isTold = false;
await publishExecutable({
  path,
  bootstrap,
  untilCopies: undefined,
  uploadBytesPerS: Infinity,
  clock: systemClock,
  log: () => undefined,
  onProgress: () => {
    if (!isTold) process.stdout.write(`${bootstrap}\n`);
    isTold = true;
  },
  signal: ended.signal,
});
await net.destroy();
