// One host's end of measured flows: UDX, ours under Bun or the original under Node, and TCP; see ../peer-process.ts.
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { answerCommands } from "../answer.mjs";

const [, , implementation] = process.argv;
const UDX =
  implementation === "ours"
    ? (await import("../../src/udx/udx.ts")).UDX
    : (await import("udx-native")).default;

const CHUNK = Buffer.alloc(65_536, 1);
const TCP_PORT = 4000;
const udx = new UDX();
/** Name of a flow → what it has received, and its stream. */
const flows = new Map();

/** Writes as fast as the stream takes it, for `ms`. */
async function flood(stream, ms) {
  const endMs = performance.now() + ms;
  const over = sleep(ms);
  while (performance.now() < endMs && !stream.destroyed) {
    if (!stream.write(CHUNK)) {
      await Promise.race([new Promise((resolve) => stream.once("drain", resolve)), over]);
    }
  }
}

function count(flow, stream) {
  stream.on("data", (data) => (flow.received += data.length));
  stream.on("error", (error) => (flow.failure ??= error.code));
}

answerCommands({
  /** A UDX flow's local end. */
  open({ flow, host, id }) {
    const socket = udx.createSocket();
    socket.bind(0, host);
    const stream = udx.createStream(id);
    flows.set(flow, { socket, stream, received: 0 });
    count(flows.get(flow), stream);
    return { port: socket.address().port };
  },
  connect({ flow, remoteId, port, host }) {
    const { socket, stream } = flows.get(flow);
    stream.connect(socket, remoteId, port, host);
  },
  tcpListen({ flow, host }) {
    const state = { received: 0 };
    flows.set(flow, state);
    return new Promise((resolve) => {
      net.createServer((stream) => count(state, stream)).listen(TCP_PORT, host, () => resolve({}));
    });
  },
  tcpConnect({ flow, host }) {
    return new Promise((resolve, reject) => {
      const stream = net.connect(TCP_PORT, host, () => resolve({})).on("error", reject);
      flows.set(flow, { stream, received: 0 });
    });
  },
  /** Answers at once, and goes on for `ms`. */
  send({ flow, ms }) {
    void flood(flows.get(flow).stream, ms);
  },
  received({ flow }) {
    const { received, failure = null } = flows.get(flow);
    return { received, failure, atMs: performance.now() };
  },
  /** The sender's view, for whoever looks into a result. */
  state({ flow }) {
    const { cwnd, inflight, rtt, bbrState, retransmits, rtoCount, fastRecoveries, mtu } =
      flows.get(flow).stream;
    return { cwnd, inflight, rtt, bbrState, retransmits, rtoCount, fastRecoveries, mtu };
  },
});
