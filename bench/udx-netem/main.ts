/**
 * UDX over links with delay, loss, reordering and a bottleneck, between two hosts in network namespaces: ours under
 * Bun against the original under Node in the same run, then how flows share the bottleneck.
 *
 *   bun bench/udx-netem/main.ts [seconds per flow = 8] [part of a condition's name = all]
 *
 * Needs Linux and root; else it says so and does nothing.
 */
import type { Implementation, PeerProcess } from "../peer-process.ts";
import { HOST_A, HOST_B, hasNetem, Hosts, whyNot } from "./hosts.ts";
import type { DirectionReport, LinkSettings } from "./link.ts";

const reason = whyNot();
if (reason !== undefined) {
  console.log(`skipped: ${reason}`);
  process.exit(0);
}
const seconds = Number(process.argv[2] ?? 8);
const wanted = process.argv[3] ?? "";

const CLEAN: LinkSettings = {
  delayMs: 0,
  loss: 0,
  reorder: 0,
  earlyMs: 0,
  bytesPerMs: 0,
  bufferMs: 0,
};
const BOTTLENECK: LinkSettings = { ...CLEAN, delayMs: 10, bytesPerMs: 2500, bufferMs: 100 };
const CONDITIONS: readonly (readonly [string, LinkSettings])[] = [
  ["50 ms RTT", { ...CLEAN, delayMs: 25 }],
  ["50 ms RTT, 1 % loss", { ...CLEAN, delayMs: 25, loss: 0.01 }],
  ["100 ms RTT, 5 % 10 ms early", { ...CLEAN, delayMs: 50, reorder: 0.05, earlyMs: 10 }],
  ["100 ms RTT, 5 % at once", { ...CLEAN, delayMs: 50, reorder: 0.05, earlyMs: 50 }],
  ["20 Mbit/s, 100 ms buffer", BOTTLENECK],
];
const KINDS: readonly Implementation[] = ["native", "ours"];
/** When several flows share the link, how long they have to settle, and then count. */
const SETTLE_MS = 4000;
const SHARE_MS = 12_000;
/** How much longer than they are measured flows go on. */
const EXTRA_MS = 1000;

interface Flow {
  readonly name: string;
  readonly sender: PeerProcess;
  readonly receiver: PeerProcess;
}

let lastId = 0;

async function udxFlow(hosts: Hosts, kind: Implementation): Promise<Flow> {
  const [sender, receiver] = hosts.pair(kind);
  const name = `udx ${++lastId}`;
  const [from, to] = [2 * lastId, 2 * lastId + 1];
  const near = await sender.call("open", { flow: name, host: HOST_A, id: from });
  const far = await receiver.call("open", { flow: name, host: HOST_B, id: to });
  await sender.call("connect", { flow: name, remoteId: to, port: far["port"], host: HOST_B });
  await receiver.call("connect", { flow: name, remoteId: from, port: near["port"], host: HOST_A });
  return { name, sender, receiver };
}

async function tcpFlow(hosts: Hosts): Promise<Flow> {
  const [sender, receiver] = hosts.pair("native");
  const name = "tcp";
  await receiver.call("tcpListen", { flow: name, host: HOST_B });
  await sender.call("tcpConnect", { flow: name, host: HOST_B });
  return { name, sender, receiver };
}

interface Reading {
  readonly received: number;
  readonly atMs: number;
}

async function read({ name, receiver }: Flow): Promise<Reading> {
  const { received, atMs, failure } = await receiver.call("received", { flow: name });
  if (typeof failure === "string") throw new Error(`${name}: ${failure}`);
  return { received: Number(received), atMs: Number(atMs) };
}

/** Runs all flows at once and returns each one's rate in MB/s after `settleMs`. */
async function rates(flows: readonly Flow[], settleMs: number, ms: number): Promise<number[]> {
  for (const { name, sender } of flows) {
    await sender.call("send", { flow: name, ms: settleMs + ms + EXTRA_MS });
  }
  await Bun.sleep(settleMs);
  const before = await Promise.all(flows.map(read));
  await Bun.sleep(ms);
  const after = await Promise.all(flows.map(read));
  return after.map(({ received, atMs }, i) => {
    const start = before[i] ?? { received: 0, atMs: 0 };
    return (received - start.received) / 1000 / (atMs - start.atMs);
  });
}

async function onLink<T>(settings: LinkSettings, use: (hosts: Hosts) => Promise<T>): Promise<T> {
  const hosts = await Hosts.start(settings);
  try {
    return await use(hosts);
  } finally {
    await hosts.stop();
  }
}

interface Outcome {
  readonly rate: number;
  readonly link: DirectionReport;
}

const outcomeOf = (settings: LinkSettings, kind: Implementation): Promise<Outcome> =>
  onLink(settings, async (hosts) => {
    const [rate = 0] = await rates([await udxFlow(hosts, kind)], 0, seconds * 1000);
    return { rate, link: await hosts.report() };
  });

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(2)} %`;
const verdict = (holds: boolean): string => (holds ? "ok" : "MISSED");

/** 1: all equal; 1/n: one has everything. */
function jain(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  return sum ** 2 / (values.length * values.reduce((a, b) => a + b ** 2, 0));
}

const kernel = hasNetem() ? "not used, so that every run is alike" : "not in this kernel";
console.log(
  `the link is our own, of two TUN devices and a process between them; tc netem: ${kernel}`,
);
console.log(`${seconds} s each, from the first packet on; native, ours`);
for (const [name, settings] of CONDITIONS) {
  if (!name.includes(wanted)) continue;
  const native = await outcomeOf(settings, "native");
  const ours = await outcomeOf(settings, "ours");
  const ratio = ours.rate / native.rate;
  console.log(
    `${name.padEnd(28)} ${native.rate.toFixed(2).padStart(6)}  ${ours.rate.toFixed(2).padStart(6)} MB/s` +
      `   x${ratio.toFixed(2)}  ≥ x0.9  ${verdict(ratio >= 0.9)}`,
  );
  if (settings.bytesPerMs === 0) continue;
  const drops = (link: DirectionReport): number => link.overflows / link.packets;
  console.log(
    `  queueing delay, mean / p95 ${native.link.meanWaitMs.toFixed(0)} / ${native.link.p95WaitMs.toFixed(0)}` +
      `  ${ours.link.meanWaitMs.toFixed(0)} / ${ours.link.p95WaitMs.toFixed(0)} ms` +
      `  no worse  ${verdict(ours.link.meanWaitMs <= native.link.meanWaitMs * 1.1 + 1)}`,
  );
  console.log(
    `  loss caused                ${percent(native.link.overflows, native.link.packets)}` +
      `  ${percent(ours.link.overflows, ours.link.packets)}` +
      `  no worse  ${verdict(drops(ours.link) <= drops(native.link) * 1.1 + 0.001)}`,
  );
}

const sharing = "sharing".includes(wanted) ? KINDS : [];
for (const kind of sharing) {
  const shared = await onLink(BOTTLENECK, async (hosts) =>
    rates([await udxFlow(hosts, kind), await udxFlow(hosts, kind)], SETTLE_MS, SHARE_MS),
  );
  const index = jain(shared);
  console.log(
    `two flows of ${kind.padEnd(6)} share it   ${shared.map((rate) => rate.toFixed(2)).join(" + ")} MB/s` +
      `   Jain ${index.toFixed(3)}  ≥ 0.9  ${verdict(index >= 0.9)}`,
  );
}
for (const kind of sharing) {
  const [udx = 0, tcp = 0] = await onLink(BOTTLENECK, async (hosts) =>
    rates([await udxFlow(hosts, kind), await tcpFlow(hosts)], SETTLE_MS, SHARE_MS),
  );
  const share = tcp / (BOTTLENECK.bytesPerMs / 1000);
  console.log(
    `TCP (cubic) beside ${kind.padEnd(6)}      ${udx.toFixed(2)} + ${tcp.toFixed(2)} MB/s` +
      `   TCP has ${(share * 100).toFixed(0)} %  ≥ 30 %  ${verdict(share >= 0.3)}`,
  );
}
