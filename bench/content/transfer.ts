/**
 * One update over two real nodes on loopback: everything that the getter's sockets send and receive from the
 * first packet to its provider to the last one, handshakes, headers and acknowledgements included.
 */
import { closeSync } from "node:fs";
import type { PublicKey } from "../../src/core/brand.ts";
import { systemClock } from "../../src/core/clock.ts";
import { concat } from "../../src/core/bytes.ts";
import { OLDER_VERSIONS_MAX_BYTES } from "../../src/core/limits.ts";
import { Archive, archiveInSlices } from "../../src/content/archive.ts";
import type { Content } from "../../src/content/content.ts";
import { ChunkPlan } from "../../src/content/plan.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { canonicalStream } from "../../src/exe/canonical.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import { verifyExecutable, type VerifiedFull } from "../../src/exe/verify-executable.ts";
import type { Base } from "../../src/swarm/bases.ts";
import { memorySource, type ByteSource } from "../../src/core/source.ts";
import { fileSource, openFile } from "../../src/fs/file-source.ts";
import { Dialer } from "../../src/swarm/dialer.ts";
import { fetchRelease } from "../../src/swarm/getter.ts";
import { Holdings } from "../../src/swarm/holdings.ts";
import { NewestRecord } from "../../src/swarm/newest-record.ts";
import { Peers } from "../../src/swarm/peers.ts";
import { Provider } from "../../src/swarm/provider.ts";
import type { SwarmScope } from "../../src/swarm/scope.ts";
import { createLoopbackDht } from "../../test/helpers/dht.ts";

export interface Opened {
  readonly executable: VerifiedFull;
  readonly stream: ByteSource;
  close(): void;
}

export function open(path: string): Opened {
  const fd = openFile(path);
  const source = fileSource(fd);
  const executable = verifyExecutable(source);
  if (executable.kind !== "full") throw new Error("not a full region");
  const stream = canonicalStream(source, executable.offset);
  return { executable, stream, close: () => closeSync(fd) };
}

export interface TransferOptions {
  readonly owner: PublicKey;
  readonly next: string;
  /** What the getter runs. Undefined: a first install. */
  readonly old: string | undefined;
  /** What the provider keeps beside `next`. */
  readonly predecessor: string | undefined;
  /** And before that, the newest first: as differences, as a copy does that has gone through all of them. */
  readonly older?: readonly string[];
}

export interface TransferResult {
  readonly wireBytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Of both ends together, over what the process had before. */
  readonly memoryBytes: number;
}

/** All but the first, each as the differences to the one before it. */
function archived([newest, ...rest]: readonly (Opened | undefined)[]): Base[] {
  const contents = [newest, ...rest].flatMap((file) =>
    file === undefined ? [] : [{ table: file.executable.table, stream: file.stream }],
  );
  const archives = contents.slice(1).flatMap((old, i) => {
    const after = contents[i];
    return after === undefined ? [] : [archiveOf(old, after)];
  });
  const [first] = contents;
  if (first === undefined || archives.length < 2) return [];
  let content = (): Content => first;
  return Archive.list(memorySource(concat(...archives))).map((archive) => {
    const lazy = archive.over(content);
    content = lazy.content;
    return { root: archive.root, stream: lazy.stream };
  });
}

function archiveOf(old: Content, next: Content): Uint8Array {
  const steps = archiveInSlices(old, next, OLDER_VERSIONS_MAX_BYTES);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  if (step.value === undefined) throw new Error("too large to be kept");
  return step.value;
}

interface Counted {
  readonly udx: { readonly bytesTransmitted: number; readonly bytesReceived: number };
}

export async function transfer(options: TransferOptions): Promise<TransferResult> {
  const { owner } = options;
  const next = open(options.next);
  const old = options.old === undefined ? undefined : open(options.old);
  const kept = options.predecessor === undefined ? undefined : open(options.predecessor);
  const { record, region, table, extension } = next.executable;
  const scope: SwarmScope = { owner, name: extension, sharedSecret: undefined };
  const clock = systemClock;

  const net = await createLoopbackDht(3);
  const [providerNode, getterNode] = [await net.createNode(), await net.createNode()];
  const peersOf = (dht: typeof getterNode) => new Peers(clock, dht.defaultKeyPair.publicKey);
  const newestOf = () => new NewestRecord(scope, clock, undefined, () => undefined);

  const holdings = new Holdings(clock);
  holdings.add({ record, region, table, stream: next.stream });
  if (kept !== undefined) {
    holdings.addBase({ root: kept.executable.table.root, stream: kept.stream });
  }
  const older = (options.older ?? []).map(open);
  for (const base of archived([next, kept, ...older])) holdings.addBase(base);
  const newest = newestOf();
  newest.offer(record);
  const provider = new Provider({ scope, clock, peers: peersOf(providerNode), newest, holdings });
  await provider.listen(providerNode);

  const peers = peersOf(getterNode);
  peers.add(providerNode.defaultKeyPair.publicKey, []);
  const dialer = new Dialer(getterNode, { scope, clock, peers, newest: newestOf() });
  const { udx } = getterNode as unknown as Counted;
  const wire = (): number => udx.bytesTransmitted + udx.bytesReceived;

  Bun.gc(true);
  const memoryBefore = process.memoryUsage.rss();
  let memoryBytes = 0;
  const sample = (): void => {
    memoryBytes = Math.max(memoryBytes, process.memoryUsage.rss() - memoryBefore);
  };
  const timer = setInterval(sample, 10);
  const before = wire();
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let arrived = 0;
  let missingBytes = 0;
  await fetchRelease(
    record,
    {
      local: old && { table: old.executable.table, stream: old.stream },
      checkRegion: (bytes) => void checkRegion(owner, bytes, record),
      missing: (wanted: ChunkTable) => {
        const { missing } = new ChunkPlan(wanted, old?.executable.table);
        for (const index of missing) missingBytes += wanted.rangeOf(index).sizeBytes;
        return missing;
      },
      onPiece: (_, bytes) => void (arrived += bytes.length),
    },
    { clock, dialer, peers, findPeers: () => Promise.resolve() },
  );
  sample();
  if (arrived !== missingBytes) throw new Error("not everything has arrived");
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await dialer.destroy();
  const wireBytes = wire() - before;
  clearInterval(timer);
  holdings.destroy();
  await provider.destroy();
  await net.destroy();
  for (const file of [next, old, kept, ...older]) file?.close();
  return { wireBytes, seconds, cpuSeconds: (user + system) / 1e6, memoryBytes };
}
