// The public network of topology.sh: six routing nodes with the original HyperDHT. Prints "up", and exits when
// stdin closes.
const HyperDHT = require("@hyperswarm/dht");

const PORT = 40001;
const first = "99.0.0.1";

async function main() {
  const options = { anyPort: false, ephemeral: false, firewalled: false };
  await HyperDHT.bootstrapper(PORT, first, { bootstrap: [], host: first }).fullyBootstrapped();
  for (let last = 2; last <= 6; last++) {
    const bootstrap = [{ host: first, port: PORT }];
    const port = [PORT, PORT + 1];
    const node = new HyperDHT({ ...options, bootstrap, port, host: `99.0.0.${last}` });
    await node.fullyBootstrapped();
  }
  process.stdout.write("up\n");
}
process.stdin.resume().on("end", () => process.exit(0));
void main();
