import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Subprocess } from "bun";
import { join } from "node:path";

// Connections between two homes behind address translation, which have to be punched through both. Needs root,
// iproute2 and nftables, for namespaces of its own (see nat/topology.sh); nothing leaves them.
const possible =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  ["ip", "nft", "unshare", "nsenter", "node"].every((tool) => Bun.which(tool) !== null) &&
  Bun.spawnSync(["unshare", "--mount", "--net", "true"]).exitCode === 0;

const TIMEOUT_MS = 40_000;
const SIZE = 1_000_000;
const DIRECTORY = join(import.meta.dir, "nat");
const ROOT = join(import.meta.dir, "../..");

interface Report {
  readonly role: string;
  readonly received: number;
  readonly failure: string | null;
  readonly firewalled: boolean;
  readonly remoteHost: string;
}

type Child = Subprocess<"pipe", "pipe", "inherit">;

function spawn(command: string): Child {
  return Bun.spawn(command.trim().split(" "), {
    cwd: ROOT,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
}

/** The lines a process prints. */
async function* lines(child: Child): AsyncGenerator<string> {
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    const complete = (text + part).split("\n");
    text = complete.pop() ?? "";
    yield* complete;
  }
}

describe.if(possible)("between two homes", () => {
  let routers: Child;

  beforeAll(async () => {
    const isolated = `unshare --mount --net sh ${DIRECTORY}/topology.sh`;
    routers = spawn(`${isolated} ip netns exec public node ${DIRECTORY}/routers.cjs`);
    const { value } = await lines(routers).next();
    expect(value).toBe("up");
  }, TIMEOUT_MS);

  afterAll(async () => {
    await routers.stdin.end();
    await routers.exited;
  }, TIMEOUT_MS);

  /** Runs host.mjs in a home; the routers' process holds the namespace in which the homes have names. */
  function host(home: string, runtime: string, ...args: readonly string[]): Child {
    const inside = `nsenter --target ${routers.pid} --mount ip netns exec ${home}`;
    return spawn(`${inside} ${runtime} ${DIRECTORY}/host.mjs ${args.join(" ")}`);
  }

  async function connect(
    server: string,
    client: string,
  ): Promise<{ server: Report; client: Report }> {
    const serving = host("home-a", server, "server");
    const printed = lines(serving);
    const { value: publicKey } = await printed.next();
    const calling = host("home-b", client, "client", String(publicKey));
    const [served, called] = await Promise.all([printed.next(), lines(calling).next()]);
    await Promise.all([serving.stdin.end(), calling.stdin.end()]);
    await Promise.all([serving.exited, calling.exited]);
    return {
      server: JSON.parse(String(served.value)) as Report,
      client: JSON.parse(String(called.value)) as Report,
    };
  }

  const ours = process.execPath;
  const runtimes: readonly [name: string, server: string, client: string][] = [
    ["theirs connects to theirs, so that the topology is right", "node", "node"],
    ["ours connects to theirs", "node", ours],
    ["theirs connects to ours", ours, "node"],
    ["ours connects to ours", ours, ours],
  ];

  test.each(runtimes)(
    "%s",
    async (_name, server, client) => {
      const reports = await connect(server, client);
      const common = { received: SIZE, failure: null, firewalled: true };
      expect(reports.server).toEqual({ ...common, role: "server", remoteHost: "99.1.2.2" });
      expect(reports.client).toEqual({ ...common, role: "client", remoteHost: "99.1.1.2" });
    },
    TIMEOUT_MS,
  );
});
