/**
 * Swarms of real processes on this machine: how fast a whole file comes from one and from many, how a swarm feeds
 * itself from one slow copy, how long an update takes, and what each role costs in memory. Linux x64; root for
 * the row with a limited link. Ten minutes.
 *
 *   bun bench/swarm/main.ts [row …]       rows: full, slow, update, memory, plan
 */
import { copyFileSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { generateSeed } from "../../src/core/keys.ts";
import { median } from "../answer.mjs";
import { Workshop, type Executable } from "../content/cases.ts";
import { planCpuSeconds } from "../content/plan-cost.ts";
import { PeerProcess, type Fields } from "../peer-process.ts";
import { AppProcess } from "./app.ts";
import { forgetPeak, residentMiB } from "./memory.ts";
import { Namespace } from "./namespace.ts";
import { scratchDirectory } from "../../test/helpers/scratch.ts";

const PEER = new URL("peer.ts", import.meta.url).pathname;
const ROUNDS = 3;
/** Of downloads from each provider: one in as many is its first, for which it compresses. */
const VISITS = 11;
const PROVIDERS = [1, 4, 8] as const;
const MOST = Math.max(...PROVIDERS);
const GETTERS = 20;
/** Twenty processes on two cores. */
const MANY_TIMEOUT_MS = 600_000;
const LINK_BITS_PER_S = 20_000_000;
/** Runs are not exactly alike. */
const NOISE = 1.05;

const BOUNDS = {
  transportShare: 0.9,
  slowFactor: 2,
  updateS: 2,
  appMiB: 48,
  providerMiB: 64,
  planS: 0.5,
} as const;

const directory = scratchDirectory("swarm");
const workshop = new Workshop(directory, generateSeed());
const wanted = process.argv.slice(2);
const isWanted = (row: string): boolean => wanted.length === 0 || wanted.includes(row);
const processes = new Set<PeerProcess>();
let isMissed = false;
let files = 0;

function start(prefix: readonly string[] = []): PeerProcess {
  const peer = new PeerProcess("ours", PEER, { prefix });
  processes.add(peer);
  return peer;
}

async function stop(...peers: readonly PeerProcess[]): Promise<void> {
  await Promise.all(
    peers.map(async (peer) => {
      processes.delete(peer);
      await peer.stop();
    }),
  );
}

function tell(measure: string, figure: string, bound: string, isKept: boolean | undefined): void {
  if (isKept === false) isMissed = true;
  const verdict = isKept === undefined ? "" : isKept ? "ok" : "missed";
  process.stdout.write(`| ${measure} | ${figure} | ${bound} | ${verdict} |\n`);
}

const number = (fields: Fields, name: string): number => Number(fields[name]);
const text = (fields: Fields, name: string): string => String(fields[name]);
const outFile = (): string => join(directory, `out-${++files}`);

async function dht(
  prefix: readonly string[] = [],
): Promise<{ peer: PeerProcess; bootstrap: string }> {
  const peer = start(prefix);
  return { peer, bootstrap: text(await peer.call("dht"), "bootstrap") };
}

async function serve(
  file: Executable,
  bootstrap: string,
  { prefix = [], ...fields }: Fields & { readonly prefix?: readonly string[] } = {},
): Promise<PeerProcess> {
  const peer = start(prefix);
  await peer.call("serve", { path: file.path, bootstrap, ...fields });
  return peer;
}

interface ProvidersSwarm {
  readonly count: number;
  readonly bootstrap: string;
  readonly peers: readonly PeerProcess[];
  /** Of each download so far. */
  readonly seconds: number[];
}

async function swarmOf(count: number, file: Executable): Promise<ProvidersSwarm> {
  const { peer, bootstrap } = await dht();
  const peers = [peer];
  while (peers.length <= count) peers.push(await serve(file, bootstrap));
  return { count, bootstrap, peers, seconds: [] };
}

async function visit(
  { count, bootstrap, seconds }: ProvidersSwarm,
  file: Executable,
): Promise<void> {
  const getter = start();
  const result = await getter.call("fetch", { like: file.path, out: outFile(), bootstrap });
  await stop(getter);
  seconds.push(number(result, "seconds"));
  process.stderr.write(`${count} providers: ${JSON.stringify(result)}\n`);
}

async function rawSeconds(bootstrap: string, sizeBytes: number): Promise<number> {
  const [server, client] = [start(), start()];
  const { key } = await server.call("rawServe", { bootstrap, sizeBytes });
  const result = await client.call("rawFetch", { key, bootstrap, sizeBytes });
  await stop(server, client);
  return number(result, "seconds");
}

/** Median seconds; MB/s of the raw stream and of the file. */
async function full(file: Executable): Promise<void> {
  const swarms = await Promise.all(PROVIDERS.map((count) => swarmOf(count, file)));
  const sizeBytes = statSync(file.path).size;
  const raw: number[] = [];
  // In turns, since a machine is not as fast now as a minute later. A download uses one provider: each of many is as warm
  // in the end as the one is alone, whose code is compiled by its first.
  for (let round = 0; round < VISITS * MOST; round++) {
    for (const swarm of swarms) {
      if (round % (MOST / swarm.count) === 0) await visit(swarm, file);
    }
    const [{ bootstrap } = { bootstrap: "" }] = swarms;
    if (round % MOST === 0) raw.push(sizeBytes / 1e6 / (await rawSeconds(bootstrap, sizeBytes)));
  }
  await stop(...swarms.flatMap(({ peers }) => peers));
  const rawSpeed = median(raw);
  const [one = 0, four = 0, eight = 0] = swarms.map(
    ({ seconds }) => sizeBytes / 1e6 / median(seconds),
  );
  const share = one / rawSpeed;
  const shown = (speed: number): string => `${speed.toFixed(0)} MB/s`;
  tell("raw encrypted stream", shown(rawSpeed), "", undefined);
  tell(
    `${(sizeBytes / 1e6).toFixed(0)} MB from 1 provider`,
    `${shown(one)} (x${share.toFixed(2)})`,
    `≥ ${BOUNDS.transportShare} of it`,
    share >= BOUNDS.transportShare,
  );
  tell("from 4", shown(four), "not slower", four * NOISE >= one);
  tell("from 8", shown(eight), "not slower", eight * NOISE >= four);
}

async function slow(file: Executable): Promise<void> {
  const namespace = await Namespace.create();
  if (namespace === undefined) {
    tell(`${GETTERS} getters, one slow provider`, "needs root, ip, tc and ss", "", undefined);
    return;
  }
  const { prefix } = namespace;
  const net = await dht(prefix);
  const provider = await serve(file, net.bootstrap, { prefix });
  namespace.limit(provider.pid, LINK_BITS_PER_S);
  const get = async (count: number): Promise<number> => {
    const getters = Array.from({ length: count }, () => start(prefix));
    // Twenty processes on two cores take seconds to be there.
    await Promise.all(getters.map((getter) => getter.call("ready")));
    const startMs = performance.now();
    const results = await Promise.all(
      getters.map((getter) =>
        getter.call(
          "fetch",
          { like: file.path, out: outFile(), bootstrap: net.bootstrap },
          MANY_TIMEOUT_MS,
        ),
      ),
    );
    const seconds = (performance.now() - startMs) / 1000;
    for (const result of results) process.stderr.write(`slow: ${JSON.stringify(result)}\n`);
    await stop(...getters);
    return seconds;
  };
  const one = await get(1);
  const many = await get(GETTERS);
  await stop(provider, net.peer);
  await namespace.destroy();
  const factor = many / one;
  tell(
    `${GETTERS} getters, 1 provider at 20 Mbit/s`,
    `${many.toFixed(1)} s (x${factor.toFixed(2)} of one getter's ${one.toFixed(1)} s)`,
    `≤ x${BOUNDS.slowFactor}`,
    factor <= BOUNDS.slowFactor,
  );
}

/** From the record seen to the new version running, by a compiled app that updates itself. */
async function update(
  old: Executable,
  next: Executable,
  what: string,
  hasTime: boolean,
): Promise<void> {
  const times: number[] = [];
  const peaks: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const net = await dht();
    const home = join(directory, `home-${++files}`);
    mkdirSync(home, { mode: 0o700 });
    const path = join(home, "app");
    copyFileSync(old.path, path);
    const app = new AppProcess(path, net.bootstrap);
    try {
      const baseMiB = await app.settled();
      const provider = await serve(next, net.bootstrap, { previous: [old.path] });
      const { seconds, peakMiB } = await app.updated();
      times.push(seconds);
      peaks.push(peakMiB - baseMiB);
      process.stderr.write(
        `${what}: ${seconds.toFixed(2)} s, ${baseMiB.toFixed(0)} → ${peakMiB.toFixed(0)} MiB\n`,
      );
      await stop(provider);
    } finally {
      await app.stop();
      await stop(net.peer);
    }
  }
  const seconds = median(times);
  if (hasTime) {
    tell(
      `whole update, ${what}`,
      `${seconds.toFixed(2)} s`,
      `≤ ${BOUNDS.updateS} s`,
      seconds <= BOUNDS.updateS,
    );
  }
  const peak = Math.max(...peaks);
  const figure = `+${peak.toFixed(0)} MiB`;
  tell(`memory of the app meanwhile, ${what}`, figure, `≤ ${BOUNDS.appMiB}`, peak <= BOUNDS.appMiB);
}

/** Of a provider while so many fetch everything from it. */
async function memory(file: Executable): Promise<void> {
  const net = await dht();
  const provider = await serve(file, net.bootstrap);
  await Bun.sleep(2_000);
  const baseMiB = residentMiB(provider.pid) ?? 0;
  forgetPeak(provider.pid);
  const getters = Array.from({ length: GETTERS }, () => start());
  await Promise.all(
    getters.map((getter) =>
      getter.call(
        "fetch",
        { like: file.path, out: outFile(), bootstrap: net.bootstrap },
        MANY_TIMEOUT_MS,
      ),
    ),
  );
  const peak = (residentMiB(provider.pid, "peak") ?? 0) - baseMiB;
  await stop(...getters, provider, net.peer);
  tell(
    `memory of a provider of ${GETTERS} getters`,
    `+${peak.toFixed(0)} MiB over ${baseMiB.toFixed(0)}`,
    `≤ ${BOUNDS.providerMiB}`,
    peak <= BOUNDS.providerMiB,
  );
}

try {
  const first = workshop.make({ changedLines: 0 });
  const second = workshop.make({ changedLines: 1 });
  process.stdout.write("| measure | figure | bound | |\n| --- | --- | --- | --- |\n");
  if (isWanted("full")) await full(second);
  if (isWanted("slow")) await slow(second);
  if (isWanted("update")) {
    await update(first, second, "one-line change", true);
    const older = workshop.make({ changedLines: 0, bun: "older" });
    await update(older, workshop.make({ changedLines: 0 }), "Bun 1.4.4 → 1.4.5", false);
  }
  if (isWanted("memory")) await memory(second);
  if (isWanted("plan")) {
    const seconds = planCpuSeconds(first.path, second.path);
    const figure = `${seconds.toFixed(2)} CPU s`;
    tell(
      "plan of the installed executable",
      figure,
      `≤ ${BOUNDS.planS} s`,
      seconds <= BOUNDS.planS,
    );
  }
} finally {
  await stop(...processes);
}
if (isMissed) process.exitCode = 1;
