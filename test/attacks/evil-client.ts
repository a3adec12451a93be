/**
 * An evil client as a program: finds the copies of a signed executable and does to each what it is told, again and
 * again, until it is ended by a signal. Then it says how often it was let in, and how many answers it got.
 *
 *   bun test/attacks/evil-client.ts --release ./app-2 --bootstrap 127.0.0.1:49737 --flood reads|idle|frames
 *
 * Only for networks of one's own: the bootstrap node has to be named.
 */
import { parseArgs } from "node:util";
import type { SecretStream } from "@hyperswarm/dht";
import { systemClock, unixMinute } from "../../src/core/clock.ts";
import { CONNECTIONS_IN_MAX, REQUESTS_IN_FLIGHT_MAX } from "../../src/core/limits.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { withFile } from "../../src/fs/file-source.ts";
import { parseAddress } from "../../src/swarm/bootstrap.ts";
import { createNode, loadHyperDHT } from "../../src/swarm/node.ts";
import { RemoteProvider } from "../../src/swarm/remote-provider.ts";
import { topicsToScan } from "../../src/swarm/topic.ts";

const { values } = parseArgs({
  options: {
    release: { type: "string", default: "" },
    bootstrap: { type: "string", default: "" },
    flood: { type: "string", default: "" },
  },
});
/** At one time: more than anybody accepts. */
const CONNECTIONS = 2 * CONNECTIONS_IN_MAX;
/** Between attempts of one of them: a thousand connections a minute and more altogether. */
const PAUSE_MS = 1_000;

const found = withFile(values.release, (source) => verifyExecutable(source));
if (found.kind !== "full") throw new Error("no record");
const { owner, extension, table } = found;
const scope = { owner, name: extension, sharedSecret: extension.sharedSecret };
const HyperDHT = await loadHyperDHT();
const node = await createNode({
  bootstrap: values.bootstrap.split(",").map(parseAddress),
  host: "127.0.0.1",
  firewalled: false,
});
let admitted = 0;
let answers = 0;

const floods: Readonly<Record<string, (stream: SecretStream) => Promise<unknown>>> = {
  /** Chunks without end, as fast as they come. */
  async reads(stream) {
    const provider = new RemoteProvider(stream, { scope, clock: systemClock });
    await provider.welcomed;
    admitted++;
    const read = async (): Promise<void> => {
      while (!provider.isClosed) {
        const first = Math.floor(Math.random() * table.count);
        const { root } = table;
        const none = { base: undefined, sketch: new Uint8Array(0) };
        const { bytes } = provider.request({ type: "piece", root, first, count: 1, ...none });
        await bytes.then(
          () => answers++,
          () => undefined,
        );
      }
    };
    for (let request = 0; request < REQUESTS_IN_FLIGHT_MAX; request++) void read();
    return provider.closed;
  },
  async idle(stream) {
    const provider = new RemoteProvider(stream, { scope, clock: systemClock });
    await provider.welcomed;
    admitted++;
    return provider.closed;
  },
  /** Without a hello, 16 MiB are promised, and then there is silence; or there is nothing but silence. */
  frames(stream) {
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.on("close", () => resolve());
    admitted++;
    if (admitted % 2 === 0) {
      const raw = stream.rawStream as unknown as { write(bytes: Uint8Array): boolean };
      raw.write(Uint8Array.of(0xff, 0xff, 0xff, 0));
    }
    return promise;
  },
};
const flood = floods[values.flood];
if (flood === undefined) throw new Error("no such flood");

const victims = new Set<string>();
while (victims.size === 0) {
  for (const topic of topicsToScan(scope, unixMinute(Date.now()))) {
    for await (const { peers } of node.lookup(topic)) {
      for (const { publicKey } of peers) victims.add(publicKey.toHex());
    }
  }
}

async function again(): Promise<never> {
  for (;;) {
    for (const victim of victims) {
      const stream = node.connect(Buffer.from(victim, "hex"), { keyPair: HyperDHT.keyPair() });
      stream.on("error", () => undefined);
      try {
        if (await stream.opened) await flood?.(stream);
      } catch {
        // Dropped, as it should be.
      }
      stream.destroy();
      await Bun.sleep(PAUSE_MS * Math.random());
    }
  }
}
for (let connection = 0; connection < CONNECTIONS; connection++) void again();
process.on("SIGTERM", () => {
  console.log(JSON.stringify({ admitted, answers }));
  process.exit(0);
});
console.log("ready");
