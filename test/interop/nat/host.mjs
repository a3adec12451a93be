// One end of a connection, in a home of topology.sh. Runs under Node with the original HyperDHT and under Bun
// with ours.
//
//   host.mjs server                prints its public key, then what it received
//   host.mjs client <public key>   prints what it received
const SIZE = 1_000_000;
const bootstrap = [{ host: "99.0.0.1", port: 40001 }];
const [, , role, publicKey] = process.argv;

async function start() {
  if (process.versions.bun !== undefined) {
    // Not through bunfig.toml: nsenter has changed the working directory.
    await import("../../../embed/alias/register.ts");
    const { createNode } = await import("../../../src/swarm/node.ts");
    return createNode({ bootstrap });
  }
  const { default: HyperDHT } = await import("@hyperswarm/dht");
  return new HyperDHT({ bootstrap, port: [0, 0] });
}

async function exchange(stream) {
  let received = 0;
  stream.on("data", (data) => (received += data.byteLength));
  stream.end(Buffer.alloc(SIZE, role));
  const failure = await new Promise((resolve) => {
    stream.on("error", (error) => resolve(error.message));
    stream.on("close", () => resolve(null));
  });
  // Without a connection there is no raw stream.
  const remoteHost = stream.rawStream?.remoteHost ?? null;
  return { role, received, failure, firewalled: node.firewalled, remoteHost };
}

const node = await start();
await node.fullyBootstrapped();
let stream;
if (role === "client") {
  stream = node.connect(Buffer.from(publicKey, "hex"));
} else {
  stream = await new Promise((resolve) => {
    const server = node.createServer(resolve);
    const announce = () => process.stdout.write(`${server.publicKey.toString("hex")}\n`);
    server.listen().then(announce);
  });
}
process.stdout.write(`${JSON.stringify(await exchange(stream))}\n`);
// Stays to acknowledge what the other end may have to send again, until stdin closes.
process.stdin.resume().on("end", () => process.exit(0));
