// A process of its own, because the test runner fails on every uncaught exception and these are wanted.
// Prints the code or message of each, and what still works afterwards.
import { UDX } from "../../../src/udx/udx.ts";
import { next, pair, portOf } from "../real.ts";

const seen: string[] = [];
process.on("uncaughtException", (error) => {
  seen.push("code" in error ? String(error.code) : error.message);
});

const udx = new UDX();
const [x, y] = [udx.createSocket(), udx.createSocket()];
x.bind(0, "127.0.0.1");
y.bind(0, "127.0.0.1");
y.once("message", () => {
  throw new Error("socket listener");
});
x.trySend(Buffer.from("1"), portOf(y), "127.0.0.1");
await Bun.sleep(20);
const again = next(y, "message");
x.trySend(Buffer.from("2"), portOf(y), "127.0.0.1");
seen.push(`then ${String((await again)[0])}`);

const [a, b] = pair();
b.stream.once("message", () => {
  throw new Error("stream listener");
});
a.stream.trySend(Buffer.from("3"));
await Bun.sleep(20);
const more = next(b.stream, "message");
a.stream.trySend(Buffer.from("4"));
seen.push(`then ${String((await more)[0])}`);

b.stream.on("error", () => undefined);
b.stream.on("data", () => {
  throw new Error("data handler");
});
a.stream.write("5");
await Bun.sleep(20);

const early = udx.createStream(9);
early.write("too early");
await Bun.sleep(20);

for (const stream of [a.stream, b.stream, early]) stream.destroy();
await Promise.all([x, y, a.socket, b.socket].map((socket) => socket.close()));
seen.push("all closed");
process.stdout.write(JSON.stringify(seen));
