/**
 * An evil peer as a program: announces itself in the swarm of a signed executable, as a copy of it, and does to
 * whoever comes what it is told.
 *
 *   bun test/attacks/evil-peer.ts --release ./app-2 --older ./app-1 --bootstrap 127.0.0.1:49737 \
 *     --behaviour "D3: one byte a second" [--count 20]
 *   bun test/attacks/evil-peer.ts --list
 *
 * "all" is every behaviour, each of some of them. Says "ready" when it is announced; ends by a signal, and then says
 * how often it was visited and how much was asked. Only for networks of one's own: the bootstrap node has
 * to be named.
 */
import { parseArgs } from "node:util";
import { unixMinute } from "../../src/core/clock.ts";
import { generateSeed } from "../../src/core/keys.ts";
import { memorySource } from "../../src/core/source.ts";
import { canonicalStream } from "../../src/exe/canonical.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { withFile } from "../../src/fs/file-source.ts";
import { parseAddress } from "../../src/swarm/bootstrap.ts";
import type { Holding } from "../../src/swarm/holdings.ts";
import { createNode, loadHyperDHT } from "../../src/swarm/node.ts";
import type { SwarmScope } from "../../src/swarm/scope.ts";
import { topicOf } from "../../src/swarm/topic.ts";
import { APP, makeRelease } from "../helpers/release.ts";
import { attacksOn } from "./behaviours.ts";
import { bentSignature, evilProvider, type EvilProvider } from "./evil-provider.ts";

const { values } = parseArgs({
  options: {
    release: { type: "string", default: "" },
    older: { type: "string", default: "" },
    bootstrap: { type: "string", default: "" },
    behaviour: { type: "string", default: "" },
    count: { type: "string", default: "1" },
    list: { type: "boolean", default: false },
  },
});

interface Whose {
  readonly holding: Holding;
  readonly scope: SwarmScope;
}

function read(path: string): Whose {
  return withFile(path, (source) => {
    const file = verifyExecutable(source);
    if (file.kind !== "full") throw new Error(`${path} has no record`);
    const { owner, extension, record, region, table, offset } = file;
    const stream = canonicalStream(source, offset);
    const bytes = stream.read(0, stream.sizeBytes).slice();
    return {
      holding: { record, region, table, stream: memorySource(bytes) },
      scope: { owner, name: extension, sharedSecret: extension.sharedSecret },
    };
  });
}

const stranger = generateSeed();
const newer = (publishedS: number) =>
  makeRelease(stranger, { version: "9.0.0", publishedS: publishedS + 60 }).record;
let target: Whose | undefined;
const wanted = (): Holding => {
  target ??= read(values.release);
  return target.holding;
};
const attacks = attacksOn({
  release: wanted,
  stale: () => read(values.older).holding,
  elsewhere: () =>
    makeRelease(stranger, { version: "1.0.1", name: { ...APP, target: "linux-arm64" } }),
  forged: () => bentSignature(newer(wanted().record.record.publishedS)),
  foreign: () => newer(wanted().record.record.publishedS),
  speed: 1,
});

if (values.list) {
  for (const { name } of attacks) console.log(name);
  process.exit(0);
}
const chosen = attacks.filter(({ name }) => ["all", name].includes(values.behaviour));
if (chosen.length === 0) throw new Error("no such behaviour: see --list");
const { holding, scope } = (target ??= read(values.release));
const HyperDHT = await loadHyperDHT();
const node = await createNode({
  bootstrap: values.bootstrap.split(",").map(parseAddress),
  host: "127.0.0.1",
  firewalled: false,
});
const minute = unixMinute(Date.now());
const liars: EvilProvider[] = [];
for (let liar = 0; liar < Number(values.count); liar++) {
  const keys = HyperDHT.keyPair();
  const attack = chosen[liar % chosen.length];
  liars.push(await evilProvider(node, keys, scope, holding, attack?.behaviour()));
  // Some minutes ahead: the test may take that long.
  await Promise.all(
    [0, 1, 2].map((ahead) => node.announce(topicOf(scope, minute + ahead), keys, []).finished()),
  );
}
process.on("SIGTERM", () => {
  const visited = liars.filter((one) => one.visits() > 0).length;
  const visits = liars.reduce((sum, one) => sum + one.visits(), 0);
  const pieces = liars.reduce(
    (sum, { heard }) => sum + heard.filter(({ type }) => type === "piece").length,
    0,
  );
  console.log(JSON.stringify({ visited, visits, pieces }));
  process.exit(0);
});
console.log("ready");
