// A real udx-native endpoint under Node. Reads one JSON line of settings from its arguments, prints one
// JSON line per event, and starts when a line arrives on standard input.
const UDX = require("udx-native");
const { createHash } = require("node:crypto");

const { mode, bytes, id, remoteId, remotePort, host, chunkSize } = JSON.parse(process.argv[2]);
const say = (event, fields) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

const udx = new UDX();
const socket = udx.createSocket();
socket.bind(0, host);
const stream = udx.createStream(id, {});
stream.connect(socket, remoteId, remotePort, host);
stream.on("error", (error) => say("error", { code: error.code }));
stream.on("close", () => {
  const { packetsTransmitted, packetsReceived, retransmits, rtoCount, mtu } = stream;
  say("close", { packetsTransmitted, packetsReceived, retransmits, rtoCount, mtu });
  socket.close();
});
say("listening", { port: socket.address().port });

const hash = createHash("sha256");
let received = 0;
let startedAt = 0;
stream.on("data", (chunk) => {
  startedAt ||= performance.now();
  received += chunk.length;
  hash.update(chunk);
  if (mode === "echo") stream.write(chunk);
});
stream.on("end", () => {
  say("end", { received, ms: performance.now() - startedAt, hash: hash.digest("hex") });
  stream.end();
});
stream.on("message", (message) => stream.trySend(message));

process.stdin.once("data", () => {
  if (mode === "destroy") stream.destroy();
  if (mode !== "send") return;
  const sent = createHash("sha256");
  const chunk = Buffer.alloc(chunkSize);
  for (let i = 0; i < chunk.length; i++) chunk[i] = i * 7 + (i >> 8);
  let left = bytes;
  const write = () => {
    while (left > 0) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      sent.update(part);
      if (!stream.write(part)) return stream.once("drain", write);
    }
    stream.end();
    say("sent", { hash: sent.digest("hex") });
  };
  write();
});
process.stdin.on("end", () => process.exit(0));
