// A process of its own, because the test runner fails on every uncaught exception and these are wanted.
// Prints the code or message of each, and what still works afterwards.
import { UDX } from "../../../src/udx/udx.ts";
import { next, pair, portOf } from "../real.ts";
import { Network } from "../sim/network.ts";
import { connect, createPair, watch } from "../sim/world.ts";

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

// A listener called at the end of a turn must not cost the other streams of that turn their work.
const network = new Network();
const [c, d] = createPair(network);
const sibling = watch(c.udx, c.socket, c.udx.createStream(7));
const other = watch(d.udx, d.socket, d.udx.createStream(8));
connect(sibling, other);
connect(other, sibling);
c.stream.on("remote-changed", () => {
  throw new Error("change listener");
});
c.stream.write("outstanding");
sibling.stream.write("outstanding");
await network.advance(1);
void c.stream.changeRemote(c.socket, 2, portOf(d.socket), d.socket.address()?.host);
const flushed = sibling.stream.flush();
await network.advance(100);
seen.push(`flushed ${String(await flushed)}`);

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
