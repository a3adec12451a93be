/**
 * An HTTP server that becomes the new version without a failed request. Before it does, it starts the new version
 * once more beside itself, as a bridge: both listen on one port (SO_REUSEPORT), so that there is always one who
 * does. The bridge sees by its standard input that this process has become the new version, and leaves.
 *
 * Linux resets the connections that wait in the queue of a listener that is closed: about one when a thousand
 * come in every second. With `sysctl -w net.ipv4.tcp_migrate_req=1` it gives them to the other, and none is lost.
 */
import { spawn, Version } from "rustpatcher";

/** For clients that keep their connections: each learns with its next answer that this one is closed. */
const LAST_ANSWERS_MS = 1_000;
/** For requests on their way when nobody is let in any more. */
const LAST_REQUESTS_MS = 100;
const LISTENS = "listens";

const version = String(Version.current() ?? "development");
const isBridge = process.env["BRIDGE"] === "1";
let isLeaving = false;

const server = Bun.serve({
  port: Number(process.env["PORT"] ?? 8080),
  reusePort: true,
  async fetch() {
    await Bun.sleep(20);
    const headers = { connection: isLeaving ? "close" : "keep-alive" };
    return new Response(`hello from ${version}\n`, { headers });
  },
});
console.log(`version ${version} ${LISTENS} on ${server.url.href}`);

async function leave(): Promise<void> {
  isLeaving = true;
  await Bun.sleep(LAST_ANSWERS_MS);
  const stopped = server.stop();
  await Bun.sleep(LAST_REQUESTS_MS);
  await stopped;
}

async function handOver(): Promise<void> {
  const bridge = Bun.spawn([process.execPath], {
    env: { ...process.env, BRIDGE: "1", RUSTPATCHER_DISABLE: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  for await (const text of bridge.stdout.pipeThrough(new TextDecoderStream())) {
    if (text.includes(LISTENS)) break;
  }
  await leave();
}

if (isBridge) {
  // Ends when the process that started it becomes the new version, or is gone.
  for await (const _ of Bun.stdin.stream());
  await Bun.sleep(LAST_ANSWERS_MS);
  await leave();
  process.exit(0);
} else {
  await spawn({ beforeRestart: handOver });
}
