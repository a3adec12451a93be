/**
 * Connections between two homes behind address translation, found through a bootstrap node in a third network and
 * punched: with the same port for every destination, and with another port for each. Ours under Bun, the original
 * under Node, on the network of test/interop/nat.
 *
 *   bun bench/nat/main.ts        Needs Linux, root, iproute2 and nftables; else it says so and does nothing.
 */
import { join } from "node:path";

const DIRECTORY = join(import.meta.dir, "../../test/interop/nat");
const ROOT = join(import.meta.dir, "../..");
/** Punching through changing ports is a matter of chance; later than this it has failed. */
const CONNECT_TIMEOUT_MS = 45_000;
const TOTAL_TIMEOUT_MS = 600_000;

type Mapping = "consistent" | "per destination";
type Child = Bun.Subprocess<"pipe", "pipe", "inherit">;

const CASES: readonly (readonly [Mapping, Mapping])[] = [
  ["consistent", "consistent"],
  ["per destination", "consistent"],
  ["consistent", "per destination"],
  ["per destination", "per destination"],
];
const RUNTIMES: Readonly<Record<string, string>> = { native: "node", ours: process.execPath };

function whyNot(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root, for network namespaces";
  const missing = ["ip", "nft", "unshare", "nsenter", "node"].filter(
    (tool) => Bun.which(tool) === null,
  );
  return missing.length > 0 ? `needs ${missing.join(", ")}` : undefined;
}

function spawn(
  command: readonly string[],
  timeout: number,
  env: Record<string, string> = {},
): Child {
  return Bun.spawn([...command], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    timeout,
    killSignal: "SIGKILL",
  });
}

async function* lines(child: Child): AsyncGenerator<string> {
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    const complete = (text + part).split("\n");
    text = complete.pop() ?? "";
    yield* complete;
  }
}

async function end(child: Child): Promise<void> {
  child.kill("SIGKILL");
  await child.exited;
}

/** Connects from home b to home a and moves a megabyte each way; what came of it. */
async function connect(routers: Child, runtime: string): Promise<string> {
  const host = (home: string, ...args: readonly string[]): Child =>
    spawn(
      [
        "nsenter",
        "--target",
        String(routers.pid),
        "--mount",
        "ip",
        "netns",
        "exec",
        home,
        runtime,
      ].concat(`${DIRECTORY}/host.mjs`, args),
      CONNECT_TIMEOUT_MS,
    );
  const server = host("home-a", "server");
  const { value: publicKey } = await lines(server).next();
  const startedAt = performance.now();
  const client = host("home-b", "client", String(publicKey));
  const { value: report } = await lines(client).next();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  await Promise.all([end(server), end(client)]);
  if (report === undefined) return `no connection in ${CONNECT_TIMEOUT_MS / 1000} s`;
  const { received, failure } = JSON.parse(report) as { received: number; failure: string | null };
  return failure === null
    ? `${received / 1e6} MB in ${seconds} s`
    : `${failure} after ${seconds} s`;
}

const reason = whyNot();
if (reason !== undefined) {
  console.log(`skipped: ${reason}`);
  process.exit(0);
}
const flags = (mapping: Mapping): string => (mapping === "consistent" ? "" : "random");
for (const [a, b] of CASES) {
  const inside = ["ip", "netns", "exec", "public", "node", `${DIRECTORY}/routers.cjs`];
  const routers = spawn(
    ["unshare", "--mount", "--net", "sh", `${DIRECTORY}/topology.sh`, ...inside],
    TOTAL_TIMEOUT_MS,
    { MASQUERADE_A: flags(a), MASQUERADE_B: flags(b) },
  );
  try {
    const { value } = await lines(routers).next();
    if (value !== "up") throw new Error("the routers did not start");
    for (const [name, runtime] of Object.entries(RUNTIMES)) {
      const outcome = await connect(routers, runtime);
      console.log(`server's ports ${a}, client's ${b}: ${name} ${outcome}`);
    }
  } finally {
    await end(routers);
  }
}
