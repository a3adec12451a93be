// One end of a measured stream. The same file runs ours under Bun and udx-native under Node, so that only
// the transport differs: `bun peer.mjs ours …`, `node peer.mjs native …`. Talks JSON lines.
const [, , implementation, role, argument] = process.argv;
const { bytes, chunkSize, rounds, id, remoteId } = JSON.parse(argument);

const UDX =
  implementation === "ours"
    ? (await import("../../src/udx/udx.ts")).UDX
    : (await import("udx-native")).default;

const HOST = "127.0.0.1";
const say = (fields) => process.stdout.write(`${JSON.stringify(fields)}\n`);

const udx = new UDX();
const socket = udx.createSocket();
socket.bind(0, HOST);
const stream = udx.createStream(id);

const commands = {
  connect({ port }) {
    stream.connect(socket, remoteId, port, HOST);
    say({ connected: true });
  },
  go() {
    if (role === "sender") send();
    else if (role === "pinger") ping();
  },
};

function send() {
  const chunk = Buffer.alloc(chunkSize, 1);
  let left = bytes;
  const write = () => {
    while (left > 0) {
      left -= chunk.length;
      if (!stream.write(chunk)) return stream.once("drain", write);
    }
    stream.end();
  };
  write();
}

function ping() {
  const times = [];
  const message = Buffer.alloc(32);
  let sentAt = performance.now();
  stream.on("data", () => {
    times.push(performance.now() - sentAt);
    if (times.length === rounds) {
      times.sort((a, b) => a - b);
      say({ medianUs: times[rounds >> 1] * 1000, p99Us: times[Math.floor(rounds * 0.99)] * 1000 });
      return;
    }
    sentAt = performance.now();
    stream.write(message);
  });
  stream.write(message);
}

let received = 0;
let startedAt = 0;
if (role !== "pinger") {
  stream.on("data", (chunk) => {
    if (role === "ponger") return stream.write(chunk);
    startedAt ||= performance.now();
    received += chunk.length;
  });
}
stream.on("end", () => {
  if (role === "receiver") say({ received, ms: performance.now() - startedAt });
  stream.end();
});
stream.on("error", ({ code }) => say({ error: code }));
stream.on("close", () => {
  const { user, system } = process.cpuUsage();
  const { packetsTransmitted, retransmits, rtoCount, mtu } = stream;
  say({
    closed: true,
    cpuSeconds: (user + system) / 1e6,
    packetsTransmitted,
    retransmits,
    rtoCount,
    mtu,
  });
});

let rest = "";
process.stdin.on("data", (text) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    const { command, ...fields } = JSON.parse(line);
    commands[command](fields);
  }
});
process.stdin.on("end", () => process.exit(0));
say({ port: socket.address().port });
