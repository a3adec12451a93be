/**
 * One UDX stream over loopback, two processes: ours under Bun against udx-native under Node, and both
 * mixed. Prints throughput, CPU time and latency, and the ratio to native in the same run.
 *
 *   bun bench/udx/raw.ts [megabytes per transfer = 200] [rounds = 3]
 */
import { type Implementation, PeerProcess, type Role } from "./process.ts";

const CHUNK_BYTES = 65_536;
const [megabytes = 200, rounds = 3] = process.argv.slice(2).map(Number);
const BYTES = Math.ceil((megabytes * 1_000_000) / CHUNK_BYTES) * CHUNK_BYTES;
const PINGS = 3000;

const COMBINATIONS: readonly (readonly [Implementation, Implementation])[] = [
  ["native", "native"],
  ["ours", "ours"],
  ["native", "ours"],
  ["ours", "native"],
];

interface Transfer {
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
  readonly retransmits: number;
}

interface Latency {
  readonly medianUs: number;
  readonly p99Us: number;
}

async function pair(
  from: readonly [Implementation, Role],
  to: readonly [Implementation, Role],
): Promise<[PeerProcess, PeerProcess]> {
  const settings = { bytes: BYTES, chunkSize: CHUNK_BYTES, rounds: PINGS };
  const a = new PeerProcess(...from, { ...settings, id: 1, remoteId: 2 });
  const b = new PeerProcess(...to, { ...settings, id: 2, remoteId: 1 });
  b.command("connect", { port: await a.number("port") });
  a.command("connect", { port: await b.number("port") });
  await Promise.all([a.answer("connected"), b.answer("connected")]);
  return [a, b];
}

async function transfer(from: Implementation, to: Implementation): Promise<Transfer> {
  const [sender, receiver] = await pair([from, "sender"], [to, "receiver"]);
  sender.command("go");
  const { received, ms } = await receiver.answer("received");
  const [sent, got] = await Promise.all([sender.answer("closed"), receiver.answer("closed")]);
  await Promise.all([sender.stop(), receiver.stop()]);
  if (received !== BYTES) throw new Error(`${String(received)} bytes arrived`);
  return {
    megabytesPerSecond: BYTES / 1000 / Number(ms),
    cpuSecondsPerGigabyte: (Number(sent["cpuSeconds"]) + Number(got["cpuSeconds"])) / (BYTES / 1e9),
    retransmits: Number(sent["retransmits"]),
  };
}

async function latency(implementation: Implementation): Promise<Latency> {
  const [pinger, ponger] = await pair([implementation, "pinger"], [implementation, "ponger"]);
  pinger.command("go");
  const { medianUs, p99Us } = await pinger.answer("medianUs");
  await Promise.all([pinger.stop(), ponger.stop()]);
  return { medianUs: Number(medianUs), p99Us: Number(p99Us) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const results = new Map<string, Transfer[]>();
for (let round = 0; round < rounds; round++) {
  // Interleaved, so that a busy moment of the machine hits all combinations alike.
  for (const [from, to] of COMBINATIONS) {
    const name = `${from} -> ${to}`;
    results.set(name, [...(results.get(name) ?? []), await transfer(from, to)]);
  }
}

console.log(`one raw stream, ${megabytes} MB, median of ${rounds}`);
let base = Number.NaN;
for (const [name, transfers] of results) {
  const rate = median(transfers.map((result) => result.megabytesPerSecond));
  const cpu = median(transfers.map((result) => result.cpuSecondsPerGigabyte));
  const again = median(transfers.map((result) => result.retransmits));
  if (Number.isNaN(base)) base = rate;
  console.log(
    `${name.padEnd(18)} ${rate.toFixed(0).padStart(5)} MB/s   x${(rate / base).toFixed(2)}   ` +
      `${cpu.toFixed(1)} CPU s/GB   ${again} retransmitted`,
  );
}

const [native, ours] = [await latency("native"), await latency("ours")];
for (const [name, { medianUs, p99Us }] of Object.entries({ native, ours })) {
  console.log(`${name.padEnd(7)} round trip ${medianUs.toFixed(0)} us, p99 ${p99Us.toFixed(0)} us`);
}
console.log(`round trip ours/native x${(ours.medianUs / native.medianUs).toFixed(2)}`);
