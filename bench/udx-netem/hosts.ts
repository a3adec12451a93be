/**
 * Two hosts, each in a network namespace of its own, with nothing but a link between them. Namespaces and devices
 * belong to the processes and vanish with them, whatever becomes of the benchmark.
 */
import { type Implementation, PeerProcess } from "../peer-process.ts";
import type { DirectionReport, LinkSettings } from "./link.ts";

export const HOST_A = "10.77.0.1";
export const HOST_B = "10.77.0.2";
const SUBNET = "10.77.0.0/24";

const PEER = new URL("peer.mjs", import.meta.url).pathname;
const LINK = new URL("link-process.ts", import.meta.url).pathname;
const SEED = 7;
/** Enough that nothing is lost between a host and the link's process. */
const DEVICE_QUEUE_PACKETS = 5000;
/** What most of the internet runs. */
const TCP_CONGESTION_CONTROL = "cubic";

/** Undefined, or why hosts cannot be made here. */
export function whyNot(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root, for network namespaces";
  const missing = ["ip", "unshare", "nsenter", "setpriv", "node"].filter(
    (tool) => Bun.which(tool) === null,
  );
  if (missing.length > 0) return `needs ${missing.join(", ")}`;
  const { exitCode } = Bun.spawnSync(["unshare", "--net", "test", "-c", "/dev/net/tun"]);
  return exitCode === 0 ? undefined : "needs network namespaces and /dev/net/tun";
}

/** Whether the kernel has `tc netem`, tried out in a namespace of its own. */
export function hasNetem(): boolean {
  if (Bun.which("tc") === null) return false;
  const add = "tc qdisc add dev lo root netem delay 1ms";
  return Bun.spawnSync(["unshare", "--net", "sh", "-c", add]).exitCode === 0;
}

export class Hosts {
  private readonly namespaces: readonly Bun.Subprocess[];
  private readonly link: PeerProcess;
  private readonly peers: PeerProcess[] = [];

  private constructor(namespaces: readonly Bun.Subprocess[], link: PeerProcess) {
    this.namespaces = namespaces;
    this.link = link;
  }

  static async start(settings: LinkSettings): Promise<Hosts> {
    const namespaces = ["a", "b"].map(() =>
      Bun.spawn(["unshare", "--net", "setpriv", "--pdeathsig", "KILL", "sleep", "600"]),
    );
    const link = new PeerProcess("ours", LINK, {
      prefix: ["unshare", "--net", "setpriv", "--pdeathsig", "KILL"],
      argv: [JSON.stringify(settings), String(SEED)],
    });
    const hosts = new Hosts(namespaces, link);
    // It answers once its devices exist.
    await link.call("report");
    hosts.plug(0, "bench-a", HOST_A);
    hosts.plug(1, "bench-b", HOST_B);
    return hosts;
  }

  /** A process on host A and one on host B. */
  pair(implementation: Implementation): readonly [PeerProcess, PeerProcess] {
    const pair = [0, 1].map(
      (index) => new PeerProcess(implementation, PEER, { prefix: this.enter(index) }),
    );
    this.peers.push(...pair);
    return pair as [PeerProcess, PeerProcess];
  }

  /** From A to B. */
  async report(): Promise<DirectionReport> {
    const { directions } = await this.link.call("report");
    return (directions as [DirectionReport])[0];
  }

  async stop(): Promise<void> {
    await Promise.all([...this.peers, this.link].map((peer) => peer.stop()));
    for (const namespace of this.namespaces) {
      namespace.kill("SIGKILL");
      await namespace.exited;
    }
  }

  private enter(index: number): string[] {
    return ["nsenter", "--target", String(this.namespaces[index]?.pid), "--net"];
  }

  /** Moves a device from the link's namespace into a host's and gives it its address. */
  private plug(index: number, device: string, address: string): void {
    const target = String(this.namespaces[index]?.pid);
    const commands = [
      [
        "nsenter",
        "--target",
        String(this.link.pid),
        "--net",
        "ip",
        "link",
        "set",
        device,
        "netns",
        target,
      ],
      [...this.enter(index), "ip", "address", "add", `${address}/24`, "dev", device],
      [
        ...this.enter(index),
        "ip",
        "link",
        "set",
        device,
        "up",
        "txqueuelen",
        String(DEVICE_QUEUE_PACKETS),
      ],
      // By the route, because in a namespace the sysctl is limited to what the machine allows everybody.
      [
        ...this.enter(index),
        "ip",
        "route",
        "replace",
        SUBNET,
        "dev",
        device,
        "congctl",
        TCP_CONGESTION_CONTROL,
      ],
    ];
    for (const command of commands) {
      const { exitCode, stderr } = Bun.spawnSync(command);
      if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString().trim()}`);
    }
  }
}
