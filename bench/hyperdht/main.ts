/**
 * Encrypted HyperDHT connections on loopback, each end in a process of its own: ours under Bun, the original with its
 * native packages under Node, and both mixed, interleaved in one run. Prints each measure with its bound.
 *
 *   bun bench/hyperdht/main.ts [megabytes = 200] [rounds = 3] [idle connections = 1000]
 */
import { type Fields, type Implementation, PeerProcess } from "../peer-process.ts";

const [megabytes = 200, rounds = 3, idleConnections = 1000] = process.argv.slice(2).map(Number);
const PEER = new URL("peer.mjs", import.meta.url).pathname;
const BYTES = megabytes * 1_000_000;
const CHUNK_BYTES = 65_536;
const CONNECTS = 50;
const PARALLEL_CONNECTS = 20;
/** Part of the idle connections opened before memory is read: compiled code and its profiles are no connection's. */
const WARM_UP_SHARE = 1 / 5;
/** The median of so many windows, of each process. */
const IDLE_WINDOWS = 3;
const IDLE_MS = 20_000;
/** Until both run times have stopped compiling, which takes two minutes, and collecting what opening left behind. */
const SETTLE_MS = 120_000;
const NETWORK_SIZE = 4;

const COMBINATIONS: readonly (readonly [Implementation, Implementation])[] = [
  ["native", "native"],
  ["ours", "ours"],
  ["ours", "native"],
  ["native", "ours"],
];

interface Transfer {
  readonly rate: number;
  readonly cpu: number;
  readonly growth: number;
  readonly retransmits: number;
}

/** A listening node and one that can connect to it, in a network that runs on the original. */
interface Pair {
  readonly client: PeerProcess;
  readonly server: PeerProcess;
  readonly publicKey: unknown;
}

const network = new PeerProcess("native", PEER);
const bootstrap = await network.call("network", { size: NETWORK_SIZE });

async function withPair<T>(
  client: Implementation,
  server: Implementation,
  use: (pair: Pair) => Promise<T>,
): Promise<T> {
  const processes = [new PeerProcess(client, PEER), new PeerProcess(server, PEER)] as const;
  try {
    await Promise.all(processes.map((peer) => peer.call("join", { bootstrap })));
    const { publicKey } = await processes[1].call("listen");
    return await use({ client: processes[0], server: processes[1], publicKey });
  } finally {
    await Promise.all(processes.map((peer) => peer.stop()));
  }
}

const number = (fields: Fields, name: string): number => Number(fields[name]);

function transfer(from: Implementation, to: Implementation): Promise<Transfer> {
  return withPair(from, to, async ({ client, server, publicKey }) => {
    const [got, sent] = await Promise.all([
      server.call("receive"),
      client.call("send", { publicKey, bytes: BYTES, chunkBytes: CHUNK_BYTES }),
    ]);
    if (got["received"] !== BYTES) throw new Error(`${String(got["received"])} bytes arrived`);
    const mebibytes = (fields: Fields): number => number(fields, "rssGrowthBytes") / 2 ** 20;
    return {
      rate: BYTES / 1000 / number(got, "ms"),
      cpu: (number(sent, "cpuSeconds") + number(got, "cpuSeconds")) / (BYTES / 1e9),
      growth: Math.max(mebibytes(sent), mebibytes(got)),
      retransmits: number(sent, "retransmits"),
    };
  });
}

function connectTimes(kind: Implementation): Promise<readonly number[]> {
  return withPair(kind, kind, async ({ client, publicKey }) => {
    const { times } = await client.call("connect", { publicKey, count: CONNECTS });
    return times as number[];
  });
}

interface Idle {
  readonly kilobytes: number;
  readonly percent: number;
}

function idle(kind: Implementation): Promise<Idle> {
  return withPair(kind, kind, async ({ client, server, publicKey }) => {
    const both = (command: string, fields?: Fields): Promise<Fields[]> =>
      Promise.all([client.call(command, fields), server.call(command, fields)]);
    const hold = (count: number): Promise<Fields> =>
      client.call("hold", { publicKey, count, parallel: PARALLEL_CONNECTS });
    const warmUp = Math.floor(idleConnections * WARM_UP_SHARE);
    await hold(warmUp);
    const before = await both("rss");
    await hold(idleConnections - warmUp);
    await Bun.sleep(SETTLE_MS);
    const windows: number[][] = [[], []];
    for (let nth = 0; nth < IDLE_WINDOWS; nth++) {
      const percents = await both("idle", { ms: IDLE_MS });
      percents.forEach((fields, i) => windows[i]?.push(number(fields, "percent")));
    }
    const after = await both("rss");
    const grown = after.map((fields, i) => number(fields, "rss") - number(before[i] ?? {}, "rss"));
    return {
      kilobytes: Math.max(...grown) / 1000 / (idleConnections - warmUp),
      percent: Math.max(...windows.map(median)),
    };
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const rows: string[][] = [["measure", "native", "ours", "ratio", "bound", ""]];

/** `bound` is of the ratio, or of our value itself when there is no ratio to native. */
function row(
  name: string,
  native: number | undefined,
  ours: number,
  bound: { readonly atLeast?: number; readonly atMost?: number; readonly ratio: boolean },
): void {
  const judged = bound.ratio ? ours / (native ?? Number.NaN) : ours;
  const holds = judged >= (bound.atLeast ?? -Infinity) && judged <= (bound.atMost ?? Infinity);
  const sign = bound.atLeast === undefined ? "≤" : "≥";
  rows.push([
    name,
    native === undefined ? "" : native.toFixed(1),
    ours.toFixed(1),
    bound.ratio ? `x${judged.toFixed(2)}` : "",
    `${sign} ${bound.ratio ? "x" : ""}${bound.atLeast ?? bound.atMost}`,
    holds ? "ok" : "MISSED",
  ]);
}

try {
  const transfers = new Map<string, Transfer[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [from, to] of COMBINATIONS) {
      const name = `${from} ${to}`;
      transfers.set(name, [...(transfers.get(name) ?? []), await transfer(from, to)]);
    }
  }
  const of = (name: string, field: keyof Transfer): number =>
    median((transfers.get(name) ?? []).map((result) => result[field]));

  const nativeRate = of("native native", "rate");
  const throughput = (name: string, pair: string, atLeast: number): void =>
    row(`${name}, MB/s`, nativeRate, of(pair, "rate"), { atLeast, ratio: true });
  throughput("Bun → Bun", "ours ours", 1);
  throughput("Bun → Node", "ours native", 0.8);
  throughput("Node → Bun", "native ours", 0.8);
  const cpu = [of("native native", "cpu"), of("ours ours", "cpu")] as const;
  row("CPU s/GB, both ends", ...cpu, { atMost: 1.5, ratio: true });
  const growth = [of("native native", "growth"), of("ours ours", "growth")] as const;
  row("memory growth, MiB", ...growth, { atMost: 32, ratio: false });
  const again = [of("native native", "retransmits"), of("ours ours", "retransmits")] as const;
  rows.push(["packets sent again", ...again.map(String), "", "", ""]);

  const opening: Record<Implementation, number[]> = { native: [], ours: [] };
  for (let round = 0; round < rounds; round++) {
    for (const kind of ["native", "ours"] as const) {
      opening[kind].push(median(await connectTimes(kind)));
    }
  }
  const opens = [median(opening.native), median(opening.ours)] as const;
  row(`connect to open, ms, median of ${CONNECTS}`, ...opens, { atMost: 1.5, ratio: true });
  if (idleConnections > 0) {
    // One after the other: side by side, ours took three times the CPU that it takes alone.
    const native = await idle("native");
    const ours = await idle("ours");
    const one = { ratio: false };
    row(`idle: kB per connection`, native.kilobytes, ours.kilobytes, { atMost: 40, ...one });
    row(`idle: % CPU`, native.percent, ours.percent, { atMost: 1, ...one });
  }
} finally {
  await network.stop();
}

console.log(
  `${megabytes} MB, median of ${rounds}; ${idleConnections} idle connections, each end a process`,
);
const widths =
  rows[0]?.map((_, i) => Math.max(...rows.map((cells) => cells[i]?.length ?? 0))) ?? [];
for (const cells of rows) {
  console.log(
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
