// One HyperDHT node of a measurement: ours under Bun, the original under Node; see ../peer-process.ts.
import { setTimeout as sleep } from "node:timers/promises";
import { answerCommands, cpuSeconds } from "../answer.mjs";

const [, , implementation] = process.argv;
const HyperDHT =
  implementation === "ours"
    ? (await import("../../src/hyperdht.ts")).HyperDHT
    : (await import("@hyperswarm/dht")).default;

const HOST = "127.0.0.1";
const RSS_INTERVAL_MS = 20;
const GIVE_BACK_MS = 1_000;
const nodes = [];
/** Streams that the server accepted and the client opened. */
const streams = new Set();
let transfer = null;

function start(options) {
  const node = new HyperDHT({ host: HOST, port: [0, 0], firewalled: false, ...options });
  nodes.push(node);
  return node;
}

const address = (node) => ({ host: HOST, port: node.address().port });

function collectGarbage() {
  if (typeof Bun === "undefined") globalThis.gc();
  else Bun.gc(true);
}

/** Counts from now until `stop`. */
function measure() {
  const cpu = cpuSeconds();
  const rss = process.memoryUsage.rss();
  const startedAt = performance.now();
  let peak = rss;
  const look = () => (peak = Math.max(peak, process.memoryUsage.rss()));
  const timer = setInterval(look, RSS_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    look();
    return {
      cpuSeconds: cpuSeconds() - cpu,
      rssGrowthBytes: peak - rss,
      ms: performance.now() - startedAt,
    };
  };
}

async function open(publicKey) {
  const stream = nodes[0].connect(Buffer.from(publicKey, "hex"));
  streams.add(stream);
  stream.on("error", () => {});
  stream.on("close", () => streams.delete(stream));
  if (!(await stream.opened)) throw new Error("did not open");
  return stream;
}

answerCommands({
  /** A network of `size` routing nodes in this process. */
  async network({ size }) {
    const first = start({ bootstrap: [], ephemeral: false });
    await first.fullyBootstrapped();
    for (let i = 1; i < size; i++) {
      await start({ bootstrap: [address(first)], ephemeral: false }).fullyBootstrapped();
    }
    return address(first);
  },
  async join({ bootstrap }) {
    await start({ bootstrap: [bootstrap], ephemeral: true }).fullyBootstrapped();
  },
  async listen() {
    const server = nodes[0].createServer((stream) => {
      streams.add(stream);
      stream.on("error", () => {});
      stream.on("close", () => streams.delete(stream));
      let received = 0;
      let stop = null;
      stream.on("data", (data) => {
        stop ??= measure();
        received += data.byteLength;
      });
      stream.on("end", () => {
        stream.end();
        transfer?.resolve({ received, ...(stop ?? measure())() });
      });
    });
    await server.listen();
    return { publicKey: server.publicKey.toString("hex") };
  },
  /** The next transfer that ends here. */
  receive() {
    transfer = Promise.withResolvers ? Promise.withResolvers() : withResolvers();
    return transfer.promise;
  },
  async send({ publicKey, bytes, chunkBytes }) {
    const stream = await open(publicKey);
    collectGarbage();
    const stop = measure();
    const chunk = Buffer.alloc(chunkBytes, 1);
    const closed = new Promise((resolve) => stream.on("close", resolve));
    for (let left = bytes; left > 0 && !stream.destroying; left -= chunkBytes) {
      const data = left < chunkBytes ? chunk.subarray(0, left) : chunk;
      if (!stream.write(data)) {
        await Promise.race([new Promise((resolve) => stream.once("drain", resolve)), closed]);
      }
    }
    stream.end();
    stream.resume();
    await closed;
    const { retransmits, rtoCount } = stream.rawStream;
    return { ...stop(), retransmits, rtoCount };
  },
  /** Opens `count` connections one after the other; the milliseconds each took. */
  async connect({ publicKey, count }) {
    const times = [];
    for (let i = 0; i < count; i++) {
      const startedAt = performance.now();
      const stream = await open(publicKey);
      times.push(performance.now() - startedAt);
      const closed = new Promise((resolve) => stream.on("close", resolve));
      stream.destroy();
      await closed;
    }
    return { times };
  },
  /** Opens `count` connections, `parallel` at a time, and keeps them. */
  async hold({ publicKey, count, parallel }) {
    for (let i = 0; i < count; i += parallel) {
      const batch = Math.min(parallel, count - i);
      await Promise.all(Array.from({ length: batch }, () => open(publicKey)));
    }
    return { streams: streams.size };
  },
  async rss() {
    collectGarbage();
    // What was collected goes back to the system by and by.
    await sleep(GIVE_BACK_MS);
    return { rss: process.memoryUsage.rss(), streams: streams.size };
  },
  /** CPU while nothing happens. */
  async idle({ ms }) {
    const cpu = cpuSeconds();
    const startedAt = performance.now();
    await sleep(ms);
    return { percent: ((cpuSeconds() - cpu) / (performance.now() - startedAt)) * 100_000 };
  },
});

function withResolvers() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}
