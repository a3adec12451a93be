/**
 * A network namespace's only program: runs the server of examples/server in version 1, lets it become version 2
 * under load, and says how many requests failed, as one JSON document. Arguments: the executables of both versions,
 * clients of each kind, whether connections migrate between listeners (1 or 0).
 */
import { constants, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLoopbackDht } from "./dht.ts";

const [, , first = "", second = "", count = "4", migrates = "1"] = process.argv;
const TOTAL_MS = 45_000;
/** The bridge is there for three seconds more. */
const AFTERWARDS_MS = 5_000;
const PORT = 8_080;

Bun.spawnSync(["ip", "link", "set", "lo", "up"]);
writeFileSync("/proc/sys/net/ipv4/tcp_migrate_req", migrates);
const directory = mkdtempSync(join(tmpdir(), "rustpatcher-server-"));
const net = await createLoopbackDht(3);
const RUSTPATCHER_BOOTSTRAP = net.bootstrap.map(({ port }) => `127.0.0.1:${port}`).join(",");
const children: Bun.Subprocess[] = [];

function start(executable: string, name: string, port: number): Bun.Subprocess {
  const path = join(directory, name, "app");
  mkdirSync(join(directory, name), { mode: 0o755 });
  copyFileSync(executable, path, constants.COPYFILE_FICLONE);
  const env = {
    PATH: "/bin",
    RUSTPATCHER_BOOTSTRAP,
    RUSTPATCHER_INTERVAL: "1",
    PORT: String(port),
  };
  const child = Bun.spawn([path], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: TOTAL_MS,
    killSignal: "SIGKILL",
  });
  children.push(child);
  return child;
}

const answers: Record<string, number> = {};
const failures: Record<string, number> = {};
const over = new AbortController();
const add = (to: Record<string, number>, what: string): void =>
  void (to[what] = (to[what] ?? 0) + 1);

/** One request; a fresh connection without an agent. */
async function request(agent: Agent | undefined): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = { host: "127.0.0.1", port: PORT, agent: agent ?? false };
  get(options, (response) => {
    let text = "";
    response.on("data", (bytes: Buffer) => (text += bytes.toString()));
    response.on("end", () => resolve(text));
    response.on("error", reject);
  }).on("error", reject);
  return promise;
}

async function client(agent: Agent | undefined): Promise<void> {
  while (!over.signal.aborted) {
    try {
      add(answers, await request(agent));
    } catch (cause) {
      const code = String(Reflect.get(Object(cause), "code"));
      add(failures, `${agent === undefined ? "new connection" : "kept connection"}: ${code}`);
    }
  }
  agent?.destroy();
}

try {
  const server = start(first, "first", PORT);
  const { pid } = server;
  while ((await request(undefined).catch(() => "")) === "") await Bun.sleep(20);
  const clients = Array.from({ length: Number(count) }, () => [
    client(undefined),
    client(new Agent({ keepAlive: true, maxSockets: 1 })),
  ]).flat();
  await Bun.sleep(1_000);
  start(second, "second", PORT + 1);
  const endMs = performance.now() + TOTAL_MS / 2;
  while (Object.keys(answers).length < 2 && performance.now() < endMs) await Bun.sleep(100);
  await Bun.sleep(AFTERWARDS_MS);
  over.abort();
  await Promise.all(clients);
  const last = await request(undefined);
  const isSameProcess = server.exitCode === null && server.pid === pid;
  console.log(JSON.stringify({ answers, failures, last, isSameProcess }));
} finally {
  for (const child of children) child.kill("SIGKILL");
  await net.destroy();
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);
