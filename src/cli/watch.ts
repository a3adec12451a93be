import { systemClock } from "../core/clock.ts";
import { pause } from "../release/publish.ts";
import { RolloutModel, type Rollout } from "../watch/model.ts";
import { Observer } from "../watch/observer.ts";
import { servePage } from "../watch/page-server.ts";
import { command, type Command } from "./command.ts";
import { usage } from "./error.ts";
import { isQuiet, QUIET_ARGUMENT, say } from "./output.ts";
import { BOOTSTRAP_ARGUMENT, tryWholeNumber, warnings } from "./serving.ts";
import { untilStopped } from "./interrupt.ts";
import { SWARM_ARGUMENTS, swarmFrom } from "./swarm-arguments.ts";
import { jsonLines, plainLines, screen, type View } from "./watch-views.ts";

const PORT_MAX = 65_535;
const INTERVAL_DEFAULT = "10";
const INTERVAL_MAX_S = 3_600;
const REDRAW_MS = 1_000;
/** Two visits missed. */
const STALE_INTERVALS = 2.5;

export const watch: Command = command({
  meta: { name: "watch", description: "Show who runs which version, live" },
  args: {
    ...SWARM_ARGUMENTS,
    ...BOOTSTRAP_ARGUMENT,
    web: { type: "boolean", description: "Show it as a page, on this machine only" },
    port: { type: "string", description: "TCP port of the page (default: any free one)" },
    interval: {
      type: "string",
      description: `How often to visit each copy (default: ${INTERVAL_DEFAULT})`,
      valueHint: "seconds",
    },
    ...QUIET_ARGUMENT,
    json: { type: "boolean", description: "Print one JSON document a line" },
  },
  async run({ args }) {
    const swarm = swarmFrom(args);
    const port = tryWholeNumber(args.port ?? "0", 0, PORT_MAX);
    if (port === undefined) throw usage(`--port must be a number from 0 to ${PORT_MAX}`);
    if (args.port !== undefined && args.web !== true) throw usage("--port is for --web");
    const seconds = tryWholeNumber(args.interval ?? INTERVAL_DEFAULT, 1, INTERVAL_MAX_S);
    if (seconds === undefined) throw usage(`--interval must be 1 to ${INTERVAL_MAX_S} seconds`);
    const clock = systemClock;
    const intervalMs = seconds * 1_000;
    const model = new RolloutModel(clock.nowMs(), intervalMs * STALE_INTERVALS);
    const rollout = (): Rollout => model.rollout(clock.nowMs());

    const page = args.web === true ? servePage({ port, name: swarm.name, rollout }) : undefined;
    if (page !== undefined && args.json !== true) say(`Watching at ${page.url}`);
    const view = viewOf(args.json === true, page !== undefined, swarm.name);
    const observer = await Observer.start({
      ...swarm,
      clock,
      log: warnings,
      intervalMs,
      onEvent: (event) => model.apply(event, clock.nowMs()),
    }).catch(async (cause: unknown) => {
      await page?.stop();
      throw cause;
    });
    try {
      await untilStopped(async (stopped) => {
        const signal = page === undefined ? AbortSignal.any([stopped, unread()]) : stopped;
        while (!signal.aborted) {
          model.apply({ type: "tick" }, clock.nowMs());
          view.show(rollout());
          page?.changed();
          await pause(REDRAW_MS, signal);
        }
      });
    } finally {
      view.end();
      await Promise.all([page?.stop(), observer.destroy()]);
    }
  },
});

/** Nobody reads our lines any more: then there is nothing left to do. */
function unread(): AbortSignal {
  const controller = new AbortController();
  process.stdout.once("error", () => controller.abort());
  return controller.signal;
}

function viewOf(isJson: boolean, hasPage: boolean, name: Parameters<typeof screen>[0]): View {
  if (isJson) return jsonLines(name);
  if (isQuiet()) return { show: () => undefined, end: () => undefined };
  return process.stdout.isTTY && !hasPage ? screen(name) : plainLines(name);
}
