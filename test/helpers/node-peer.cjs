// Runs under Node: HyperDHT nodes with the original udx-native and sodium-native, driven by lines of JSON.
//
// stdin:  { id, op, ...arguments }      stdout: { id, result } | { id, error }
//
// Bytes are hex. Nodes are on 127.0.0.1 with an explicit bootstrap list, or refused. The process exits
// when stdin closes, so that it cannot outlive the test that started it.
const { createHash, randomBytes } = require("node:crypto");
const readline = require("node:readline");
const HyperDHT = require("@hyperswarm/dht");

const HOST = "127.0.0.1";
const CHUNK_BYTES = 64 * 1024;

const nodes = new Map();
const servers = new Map();

const bytes = (hex) => Buffer.from(hex, "hex");
const hex = (buffer) => Buffer.from(buffer).toString("hex");

/** Sends `size` random bytes and ends, while reading until the other side ends. */
async function transfer(stream, size) {
  const sent = createHash("sha256");
  const received = createHash("sha256");
  let receivedBytes = 0;
  stream.on("data", (data) => {
    received.update(data);
    receivedBytes += data.byteLength;
  });
  const closed = new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("close", resolve);
  });
  closed.catch(() => {});
  for (let left = size; left > 0 && !stream.destroying;) {
    const data = randomBytes(Math.min(CHUNK_BYTES, left));
    sent.update(data);
    left -= data.byteLength;
    if (!stream.write(data)) {
      await Promise.race([new Promise((resolve) => stream.once("drain", resolve)), closed]);
    }
  }
  stream.end();
  await closed;
  return {
    sentHash: sent.digest("hex"),
    receivedHash: received.digest("hex"),
    receivedBytes,
    remotePublicKey: hex(stream.remotePublicKey),
  };
}

const operations = {
  async start({ node, bootstrap, ephemeral, firewalled, seed }) {
    if (!Array.isArray(bootstrap)) throw new Error("bootstrap must be explicit");
    const dht = new HyperDHT({
      bootstrap,
      host: HOST,
      // An empty range: any free port (a bare 0 would mean 49737).
      port: [0, 0],
      ephemeral,
      firewalled,
      ...(seed === undefined ? {} : { seed: bytes(seed) }),
    });
    nodes.set(node, dht);
    await dht.fullyBootstrapped();
    return { port: dht.address().port };
  },
  async announce({ node, topic, seed }) {
    await nodes
      .get(node)
      .announce(bytes(topic), HyperDHT.keyPair(bytes(seed)))
      .finished();
  },
  async unannounce({ node, topic, seed }) {
    await nodes.get(node).unannounce(bytes(topic), HyperDHT.keyPair(bytes(seed)));
  },
  async lookup({ node, topic }) {
    const found = new Set();
    for await (const { peers } of nodes.get(node).lookup(bytes(topic))) {
      for (const { publicKey } of peers) found.add(hex(publicKey));
    }
    return [...found];
  },
  async mutablePut({ node, seed, value, seq }) {
    const keyPair = HyperDHT.keyPair(bytes(seed));
    await nodes.get(node).mutablePut(keyPair, bytes(value), { seq });
    return hex(keyPair.publicKey);
  },
  async mutableGet({ node, publicKey }) {
    const found = await nodes.get(node).mutableGet(bytes(publicKey));
    return found === null ? null : { seq: found.seq, value: hex(found.value) };
  },
  async immutablePut({ node, value }) {
    const { hash } = await nodes.get(node).immutablePut(bytes(value));
    return hex(hash);
  },
  async immutableGet({ node, hash }) {
    const found = await nodes.get(node).immutableGet(bytes(hash));
    return found === null ? null : hex(found.value);
  },
  /** Serves transfers of `size` bytes under the key of `seed`; `accepted` collects the results. */
  async listen({ node, seed, size, refuse }) {
    const transfers = [];
    const server = nodes.get(node).createServer({ firewall: () => refuse === true }, (stream) => {
      const result = transfer(stream, size).catch((error) => ({ error: error.message }));
      transfers.push(result);
    });
    const keyPair = HyperDHT.keyPair(bytes(seed));
    await server.listen(keyPair);
    servers.set(seed, { server, transfers });
    return hex(keyPair.publicKey);
  },
  /** Makes the server of `seed` take handshakes that are meant for another key. */
  async impersonate({ node, seed, publicKey }) {
    const dht = nodes.get(node);
    const { server } = servers.get(seed);
    const state = dht._router.get(hex(server.target));
    dht._router.set(hex(HyperDHT.hash(bytes(publicKey))), state);
  },
  async accepted({ seed }) {
    return Promise.all(servers.get(seed).transfers);
  },
  async connect({ node, publicKey, size }) {
    return transfer(nodes.get(node).connect(bytes(publicKey)), size);
  },
  async destroy({ node, force }) {
    await nodes.get(node).destroy({ force });
    nodes.delete(node);
  },
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, op, ...args } = JSON.parse(line);
  Promise.resolve()
    .then(() => operations[op](args))
    .then(
      (result) => process.stdout.write(`${JSON.stringify({ id, result: result ?? null })}\n`),
      (error) => process.stdout.write(`${JSON.stringify({ id, error: error.message })}\n`),
    );
});
process.stdin.on("end", () => process.exit(0));
