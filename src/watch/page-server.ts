/**
 * The rollout as a page, for the browser of the person who runs `watch`. On loopback only; what comes from peers
 * reaches the page as JSON and is written into it as text, never as markup.
 *
 * Any web page that this person visits can send requests to loopback, and by DNS rebinding read the answers
 * under a name of its own. So the Host must be ours, and a foreign Origin is refused.
 */
import type { Server } from "bun";
import type { TargetName } from "../core/target-key.ts";
import { chartOf, OTHER, type Area } from "./chart.ts";
import type { Rollout } from "./model.ts";
import css from "./page/page.css" with { type: "text" };
import html from "./page/page.html" with { type: "text" };
import script from "./page/page.js" with { type: "text" };

export interface PageOptions {
  /** TCP; 0: any free one. */
  readonly port: number;
  readonly name: TargetName;
  readonly rollout: () => Rollout;
}

export interface Page {
  readonly url: string;
  /** Tells the browsers. */
  readonly changed: () => void;
  readonly stop: () => Promise<void>;
}

const HOST = "127.0.0.1";
/** Tabs of one person. Each holds a connection. */
const LISTENERS_MAX = 16;
/** What a table on a page is good for; the rest is counted. */
const ROWS_MAX = 200;
const LOG_MAX = 60;

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};

const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#1a7f4b" d="M0 16V11L5 9L10 4L16 1V16Z"/></svg>';

const FILES: ReadonlyMap<string, readonly [type: string, body: string]> = new Map([
  ["/", ["text/html; charset=utf-8", html as unknown as string]],
  ["/page.css", ["text/css; charset=utf-8", css]],
  ["/icon.svg", ["image/svg+xml", ICON]],
  ["/page.js", ["text/javascript; charset=utf-8", script]],
]);

type Controller = ReadableStreamDefaultController<string>;

/** @throws the system's error with `code` EADDRINUSE when the port is taken. */
export function servePage({ port, name, rollout }: PageOptions): Page {
  const listeners = new Set<Controller>();
  const message = (): string => `data: ${JSON.stringify({ name, ...viewOf(rollout()) })}\n\n`;

  const events = (request: Request, server: Server<undefined>): Response => {
    if (listeners.size >= LISTENERS_MAX) return refuse(503, "too many pages are open");
    server.timeout(request, 0);
    let own: Controller | undefined;
    const body = new ReadableStream<string>({
      start(controller) {
        own = controller;
        listeners.add(controller);
        controller.enqueue(message());
      },
      cancel: () => void (own !== undefined && listeners.delete(own)),
    });
    return new Response(body, {
      headers: { ...HEADERS, "content-type": "text/event-stream; charset=utf-8" },
    });
  };

  const server = Bun.serve({
    hostname: HOST,
    port,
    fetch(request, server) {
      const problem = problemOf(request, server.port ?? 0);
      if (problem !== undefined) return problem;
      const { pathname } = new URL(request.url);
      if (pathname === "/events") return events(request, server);
      const file = FILES.get(pathname);
      if (file === undefined) return refuse(404, "there is nothing here");
      const [type, body] = file;
      return new Response(request.method === "HEAD" ? null : body, {
        headers: { ...HEADERS, "content-type": type },
      });
    },
    error: () => refuse(500, "this is a bug"),
  });

  return {
    url: `http://${HOST}:${server.port}/`,
    changed() {
      if (listeners.size === 0) return;
      const text = message();
      // A tab that does not read is not written to: the next message has all that this one has.
      for (const listener of listeners)
        if ((listener.desiredSize ?? 0) > -4) listener.enqueue(text);
    },
    async stop() {
      for (const listener of listeners) listener.close();
      listeners.clear();
      await server.stop(true);
    },
  };
}

/** Undefined for a request that the page itself, or its reader, has made. */
function problemOf(request: Request, port: number): Response | undefined {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return refuse(405, "this page is only for reading");
  }
  const hosts = [`${HOST}:${port}`, `localhost:${port}`];
  const host = request.headers.get("host") ?? "";
  if (!hosts.includes(host)) return refuse(421, "this host is not served here");
  const origin = request.headers.get("origin");
  const isForeign = origin !== null && origin !== `http://${host}`;
  // Sent by browsers only, and by none of them wrongly. A link from elsewhere may lead here.
  const site = request.headers.get("sec-fetch-site");
  const isEmbedded = request.headers.get("sec-fetch-mode") !== "navigate";
  const isCross = site === "cross-site" || site === "same-site";
  return isForeign || (isCross && isEmbedded) ? refuse(403, "other sites may not ask") : undefined;
}

function othersOf(now: ReadonlyMap<string, number>, areas: readonly Area[]): number {
  const named = new Set(areas.map(({ version }) => version));
  return [...now].reduce((sum, [version, copies]) => sum + (named.has(version) ? 0 : copies), 0);
}

function refuse(status: number, text: string): Response {
  return new Response(`${text}\n`, {
    status,
    headers: { ...HEADERS, "content-type": "text/plain; charset=utf-8" },
  });
}

/** @internal What the page shows; it computes nothing itself. */
export function viewOf({ history, peers, log, versions, ...rest }: Rollout): object {
  const chart = chartOf(history);
  const now = new Map(versions.map(({ version, copies }) => [version, copies]));
  const withdrawn = new Set(versions.filter((one) => one.withdrawn).map(({ version }) => version));
  return {
    ...rest,
    chart,
    // What is drawn has a legend, also when nobody runs it any more.
    versions: chart.areas.map(({ version }) => ({
      version,
      copies: version === OTHER ? othersOf(now, chart.areas) : (now.get(version) ?? 0),
      withdrawn: withdrawn.has(version),
    })),
    history: { fromMs: history[0]?.atMs ?? rest.atMs, toMs: history.at(-1)?.atMs ?? rest.atMs },
    peers: peers.slice(0, ROWS_MAX),
    morePeers: Math.max(0, peers.length - ROWS_MAX),
    log: log.slice(-LOG_MAX).reverse(),
  };
}
