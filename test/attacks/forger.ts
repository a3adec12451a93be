/**
 * An evil client as a program: connects to every copy of a signed executable that is announced, over and over, says
 * hello as anybody could who has the executable, and offers a forged record, each time another one (I4t).
 *
 *   bun test/attacks/forger.ts --release ./app --bootstrap 127.0.0.1:49737 [--lanes 8]
 *
 * Says "ready" when it knows a victim, then each second how many it has offered in all; ends by a signal. Only for
 * networks of one's own: the bootstrap node has to be named.
 */
import { parseArgs } from "node:util";
import { unixMinute } from "../../src/core/clock.ts";
import { generateSeed } from "../../src/core/keys.ts";
import { encodeRecord } from "../../src/core/release-record.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { withFile } from "../../src/fs/file-source.ts";
import { parseAddress } from "../../src/swarm/bootstrap.ts";
import { createNode, loadHyperDHT } from "../../src/swarm/node.ts";
import { topicOf } from "../../src/swarm/topic.ts";
import { openRawClient } from "../helpers/swarm-world.ts";

const { values } = parseArgs({
  options: {
    release: { type: "string", default: "" },
    bootstrap: { type: "string", default: "" },
    lanes: { type: "string", default: "8" },
  },
});
const LOOK_EVERY_MS = 500;

const { scope, record } = withFile(values.release, (source) => {
  const file = verifyExecutable(source);
  if (file.kind !== "full") throw new Error(`${values.release} has no record`);
  const { owner, extension } = file;
  return {
    scope: { owner, name: extension, sharedSecret: extension.sharedSecret },
    record: file.record,
  };
});
const HyperDHT = await loadHyperDHT();
const node = await createNode({
  bootstrap: values.bootstrap.split(",").map(parseAddress),
  host: "127.0.0.1",
  firewalled: false,
});

async function findVictims(): Promise<Uint8Array[]> {
  const found = new Map<string, Uint8Array>();
  for await (const { peers } of node.lookup(topicOf(scope, unixMinute(Date.now())))) {
    for (const { publicKey } of peers) found.set(publicKey.toHex(), publicKey);
  }
  return [...found.values()];
}

let victims = await findVictims();
while (victims.length === 0) {
  await Bun.sleep(LOOK_EVERY_MS);
  victims = await findVictims();
}
console.log("ready");

let offered = 0;
const { signature } = record;
const newerS = record.record.publishedS + 60;
async function lane(): Promise<never> {
  for (;;) {
    for (const victim of victims) {
      const keys = HyperDHT.keyPair(generateSeed());
      try {
        const client = await openRawClient(node, victim, keys, scope);
        await client.enter();
        const lengthBytes = 1_000_000 + offered++;
        const bytes = encodeRecord({ ...record.record, publishedS: newerS, lengthBytes });
        client.send({ type: "record", record: { bytes, signature } });
        await client.dropped;
      } catch {
        // Too many at once for its taste: it refuses, we go on.
      }
    }
  }
}
for (let count = 0; count < Number(values.lanes); count++) void lane();
setInterval(() => console.log(`${offered} offered`), 1_000);
