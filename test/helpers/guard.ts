/**
 * Test preload. Guards against the one thing no test may do: reach the public network, above all the
 * public HyperDHT, where a test's announces and records would be seen by strangers. What it guards:
 *
 *  - constructing a HyperDHT without an explicit `bootstrap` list throws (its default is the public
 *    bootstrap nodes);
 *  - a datagram (`Bun.udpSocket`, `node:dgram`) or a TCP connection (`Bun.connect`, `node:net`,
 *    `fetch`) to an address that is not this machine's own throws at the call.
 *
 * The transport swallows send errors by contract, so every refusal is also remembered and fails the
 * running test afterwards. Not guarded: child processes, Workers, and what a native addon does itself.
 */
import { afterEach } from "bun:test";
import { plugin } from "bun";
import dgram from "node:dgram";
import { isIPv4, Socket as TcpSocket } from "node:net";
import { networkInterfaces } from "node:os";

type Method = (this: unknown, ...args: unknown[]) => unknown;

const refusals: string[] = [];

afterEach(() => {
  const seen = refusals.splice(0);
  if (seen.length > 0) throw new Error(`test guard: ${seen.join("; ")}`);
});

/** Forgets what was refused so far, for the tests of this guard; returns it. */
export function takeRefusals(): readonly string[] {
  return refusals.splice(0);
}

function refuse(what: string): never {
  refusals.push(what);
  throw new Error(`test guard: ${what}`);
}

/** This machine's own addresses: what is sent to them is delivered inside the kernel. HyperDHT pings
 * the interface addresses that a peer on the same host tells it about. */
const ownAddresses = new Set(
  Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
);

function demandLocal(host: unknown, what: string): void {
  // A missing host means localhost in each of the guarded calls.
  if (host === undefined || host === null || host === "") return;
  if (typeof host === "string") {
    const bare = host.replaceAll(/[[\]]/g, "").replace(/^::ffff:/i, "");
    if (["localhost", "::1", "::", "0.0.0.0"].includes(bare)) return;
    if (isIPv4(bare) && bare.startsWith("127.")) return;
    if (ownAddresses.has(bare)) return;
  }
  refuse(`${what} to ${JSON.stringify(host)}`);
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** Runs `check` before every call of `target[name]`. */
function before(target: object, name: string, check: Method): void {
  const original = Reflect.get(target, name) as Method;
  Reflect.set(target, name, function guarded(this: unknown, ...args: unknown[]): unknown {
    check.apply(this, args);
    return original.apply(this, args);
  });
}

// Datagrams. The prototype of Bun's UDP sockets is reachable only through an instance.
const probe = await Bun.udpSocket({ hostname: "127.0.0.1" });
const udpPrototype: object = Object.getPrototypeOf(probe);
probe.close();
before(udpPrototype, "send", (_data, _port, host) => demandLocal(host, "datagram"));
before(udpPrototype, "sendMany", function check(list) {
  // [data, port, host, data, port, host, …], or bare data on a connected socket.
  if (!Array.isArray(list) || property(this, "remoteAddress") !== undefined) return;
  for (let i = 2; i < list.length; i += 3) demandLocal(list[i], "datagram");
});
before(Bun, "udpSocket", (options) =>
  demandLocal(property(property(options, "connect"), "hostname"), "connected UDP socket"),
);
before(dgram.Socket.prototype, "send", (...args) => {
  // send(msg, [offset, length,] port, address, callback): the address is the one string after the
  // message.
  demandLocal(
    args.slice(1).find((arg) => typeof arg === "string"),
    "datagram",
  );
});

// Connections.
before(Bun, "connect", (options) => demandLocal(property(options, "hostname"), "TCP connection"));
before(TcpSocket.prototype, "connect", (first, second) => {
  const options = Array.isArray(first) ? (first[0] as unknown) : first;
  const host = typeof options === "object" ? property(options, "host") : second;
  demandLocal(typeof host === "function" ? undefined : host, "TCP connection");
});
before(globalThis, "fetch", (input) => {
  const url = typeof input === "string" || input instanceof URL ? input : property(input, "url");
  if (typeof url !== "string" && !(url instanceof URL)) return;
  const { protocol, hostname } = new URL(url, "http://localhost");
  if (protocol === "http:" || protocol === "https:") demandLocal(hostname, "request");
});

// HyperDHT. Loaded by path from the virtual module, so that the name leads here and the path to the
// original, and only when a test asks for it.
const original = Bun.resolveSync("@hyperswarm/dht", import.meta.dir);
plugin({
  name: "rustpatcher-test-guard",
  setup(build) {
    build.module("@hyperswarm/dht", () => ({
      contents: `import HyperDHT from ${JSON.stringify(original)};
class GuardedHyperDHT extends HyperDHT {
  constructor(options) {
    globalThis[Symbol.for("rustpatcher.test.guard")](options);
    super(options);
  }
}
export { GuardedHyperDHT as "module.exports", GuardedHyperDHT as default };`,
      loader: "js",
    }));
  },
});
Reflect.set(globalThis, Symbol.for("rustpatcher.test.guard"), (options: unknown) => {
  if (!Array.isArray(property(options, "bootstrap"))) {
    refuse("HyperDHT without an explicit bootstrap list");
  }
});
