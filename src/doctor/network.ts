/** The network: whether the bootstrap nodes answer, what stands between us and the others, whose clock is right. */
import type HyperDHT from "@hyperswarm/dht";
import { systemClock, unixMinute } from "../core/clock.ts";
import { CONNECT_TIMEOUT_MS } from "../core/limits.ts";
import { isLoopbackOnly, type Bootstrap } from "../swarm/bootstrap.ts";
import { SwarmError } from "../swarm/error.ts";
import { findPeers } from "../swarm/find-peers.ts";
import { joinNetwork } from "../swarm/join.ts";
import { loadHyperDHT } from "../swarm/node.ts";
import { Peers, type NetworkAddress, type Peer } from "../swarm/peers.ts";
import { RemoteProvider } from "../swarm/remote-provider.ts";
import type { SwarmScope } from "../swarm/scope.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

export interface NetworkOptions {
  readonly bootstrap: Bootstrap;
  /** Of the executable looked at; without one there is nobody to compare clocks with. */
  readonly scope: SwarmScope | undefined;
}

const PING_TIMEOUT_MS = 5_000;
const JOIN_TIMEOUT_MS = 15_000;
const LOOKUP_TIMEOUT_MS = 10_000;
const PEERS_ASKED_MAX = 8;
/** Each lookup covers two minutes. */
const ELSEWHERE = Array.from(
  { length: 30 },
  (_, index) => (index < 15 ? 2 : -2) * (1 + (index % 15)),
);
/** No copy accepts it, so that it answers with its own minute. */
const WRONG_MINUTES = 1_000;
const MINUTES_WELL = 1;
/** From here on a release may seem to come from the future; RECORD_FUTURE_MAX_S. */
const MINUTES_BAD = 10;

/** One after the other, each with its time. */
export async function checkNetwork({ bootstrap, scope }: NetworkOptions): Promise<Finding[]> {
  const dht = await joinNetwork(bootstrap);
  try {
    const nodes = await reachable(dht, bootstrap);
    if (nodes.level === "fail") return [nodes];
    await inTime(dht.fullyBootstrapped(), JOIN_TIMEOUT_MS);
    const nat = isLoopbackOnly(bootstrap)
      ? ok("nat", "a network on this machine")
      : natFinding(dht);
    return [nodes, nat, ...(scope === undefined ? [] : [await checkClock(dht, scope)])];
  } finally {
    await dht.destroy({ force: true });
  }
}

async function reachable(dht: HyperDHT, bootstrap: Bootstrap): Promise<Finding> {
  const nodes = bootstrap === "public" ? await publicNodes() : bootstrap;
  const pings = await Promise.all(
    nodes.map(async (node) => {
      const startMs = performance.now();
      const reply = await inTime(
        dht.ping({ ...node, host: await addressOf(node.host) }),
        PING_TIMEOUT_MS,
      );
      return reply === undefined ? undefined : performance.now() - startMs;
    }),
  );
  const answered = pings.filter((ms) => ms !== undefined);
  const name = "bootstrap";
  const text = `${answered.length} of ${nodes.length} bootstrap nodes answer by UDP`;
  if (answered.length === 0) {
    return fail(
      name,
      text,
      "Let UDP out of the firewall, check --bootstrap, or run a node of your own: rustpatcher dht",
    );
  }
  const fastest = `, the fastest in ${Math.ceil(Math.min(...answered))} ms`;
  return answered.length < nodes.length
    ? warn(name, text + fastest, "The others are down or out of reach: updates work all the same")
    : ok(name, text + fastest);
}

async function publicNodes(): Promise<NetworkAddress[]> {
  const { BOOTSTRAP } = await loadHyperDHT();
  return BOOTSTRAP.map(parseNode);
}

/** @internal "address@name:port" or "name:port", as HyperDHT writes them. */
export function parseNode(text: string): NetworkAddress {
  const [left = "", port = ""] = text.split(/:(?=\d+$)/);
  return { host: left.split("@")[0] ?? left, port: Number(port) };
}

/** dht-rpc pings addresses only. */
async function addressOf(host: string): Promise<string> {
  try {
    const [first] = await Bun.dns.lookup(host, { family: 4 });
    return first?.address ?? host;
  } catch {
    return host;
  }
}

/** @internal As far as other nodes have told by now. */
export function natFinding(
  dht: Pick<HyperDHT, "host" | "port" | "firewalled" | "randomized">,
): Finding {
  const name = "nat";
  if (dht.host === null) {
    return warn(name, "too few nodes have said how they see this machine", "Try again in a minute");
  }
  if (dht.randomized) {
    return warn(
      name,
      "the router gives every connection another port",
      "Two machines behind such routers do not reach each other directly: have one copy or `publish` run elsewhere, or open a port",
    );
  }
  return dht.firewalled
    ? ok(
        name,
        "behind a router or firewall with a steady port: others reach this machine by hole punching",
      )
    : ok(name, "reachable from outside");
}

/**
 * Asks copies of the app for their minute: by a hello at a time that is nobody's. Where they meet follows the
 * clock, so that one which is off finds nobody; then it is looked for them at other times.
 */
async function checkClock(dht: HyperDHT, scope: SwarmScope): Promise<Finding> {
  const minute = unixMinute(systemClock.nowMs());
  for (const round of [[0], ELSEWHERE]) {
    const minutes = await askAt(
      dht,
      scope,
      round.map((offset) => minute + offset),
    );
    const median = minutes[Math.floor(minutes.length / 2)];
    if (median !== undefined) return clockFinding(minute - median, minutes.length);
  }
  return ok("clock", "no copy is there to compare clocks with");
}

/** What those say who meet at `slots`, sorted. */
async function askAt(
  dht: HyperDHT,
  scope: SwarmScope,
  slots: readonly number[],
): Promise<number[]> {
  const peers = new Peers(systemClock, dht.defaultKeyPair.publicKey);
  const signal = AbortSignal.timeout(LOOKUP_TIMEOUT_MS);
  await Promise.all(slots.map((slot) => findPeers(dht, scope, slot, peers, signal)));
  const asked = new Set<string>();
  const answers: Promise<number | undefined>[] = [];
  while (answers.length < PEERS_ASKED_MAX) {
    const peer = peers.next(asked);
    if (peer === undefined) break;
    asked.add(peer.id);
    answers.push(inTime(minuteOf(dht, scope, peer), CONNECT_TIMEOUT_MS));
  }
  const minutes = await Promise.all(answers);
  return minutes.filter((answer) => answer !== undefined).sort((a, b) => a - b);
}

/** @internal */
export function clockFinding(minutesAhead: number, copies: number): Finding {
  const name = "clock";
  const off = Math.abs(minutesAhead);
  const of = `${copies} ${copies === 1 ? "copy" : "copies"}`;
  if (off <= MINUTES_WELL) return ok(name, `as that of ${of}, to the minute`);
  const text = `${off} minutes ${minutesAhead > 0 ? "ahead of" : "behind"} that of ${of}`;
  const advice = "Set this machine's clock: timedatectl set-ntp true";
  return off < MINUTES_BAD ? warn(name, text, advice) : fail(name, text, advice);
}

async function minuteOf(dht: HyperDHT, scope: SwarmScope, peer: Peer): Promise<number | undefined> {
  const stream = dht.connect(peer.publicKey, { relayAddresses: [...peer.relayAddresses] });
  stream.on("error", () => undefined);
  try {
    if (!(await stream.opened)) return undefined;
    const provider = new RemoteProvider(stream, {
      scope,
      clock: systemClock,
      minuteOffset: -WRONG_MINUTES,
    });
    await provider.welcomed;
    // A copy whose clock is that far off: it took us for right.
    return unixMinute(systemClock.nowMs()) - WRONG_MINUTES;
  } catch (cause) {
    const minute = cause instanceof SwarmError ? cause.evidence["minute"] : undefined;
    return typeof minute === "number" ? minute : undefined;
  } finally {
    stream.destroy();
  }
}

/** Undefined when it fails, or takes too long. */
async function inTime<T>(work: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const cancel = systemClock.after(timeoutMs, () => resolve(undefined));
  try {
    return await Promise.race([work.catch(() => undefined), promise]);
  } finally {
    cancel();
  }
}
