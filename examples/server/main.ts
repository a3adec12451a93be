/** An HTTP server that finishes what it has begun before it becomes the new version. */
import { spawn, Version } from "rustpatcher";

const version = String(Version.current() ?? "development");
const server = Bun.serve({
  port: Number(process.env["PORT"] ?? 8080),
  async fetch() {
    await Bun.sleep(100);
    return new Response(`hello from ${version}\n`);
  },
});
console.log(`version ${version} listens on ${server.url.href}`);

// Stops listening, and waits for the requests under way; the new version listens some 50 ms later.
await spawn({ beforeRestart: () => server.stop() });
