/**
 * dht-rpc counts the requests it has sent in the last three seconds in four slots, and turns to the next one every
 * 750 ms for as long as a node lives (lib/io.js, `_drain`): more than half of the times an idle copy wakes up. Here
 * the turns that are due are made up for when somebody asks, and a timer runs only while requests wait for one.
 */
import type { Io } from "@hyperswarm/dht";

/** dht-rpc's own. */
const TURN_MS = 750;
/**
 * So many turns empty every slot and renew the secrets of tokens twice, and then slots and secrets are where they
 * were: of more turns, only the rest counts.
 */
const CYCLE_TURNS = 20;

/** What it needs of dht-rpc's socket layer. */
export type DrainedIo = Pick<Io, "congestion" | "token" | "_drain" | "_drainInterval">;

/**
 * Must be called in the tick the node is constructed in, like `guardReplies`. The answers of `io` are those it
 * would give with its timer.
 */
export function drainOnDemand(io: DrainedIo, nowMs: () => number = () => performance.now()): void {
  const turn = io._drain.bind(io);
  const { congestion } = io;
  const isFull = congestion.isFull.bind(congestion);
  const send = congestion.send.bind(congestion);
  const recv = congestion.recv.bind(congestion);
  const token = io.token.bind(io);
  let turnedMs = nowMs();
  /** The timer that was stopped: dht-rpc clears it once more, and makes a new one when it binds anew. */
  let stopped: Io["_drainInterval"] = null;

  const catchUp = (): void => {
    const due = Math.floor((nowMs() - turnedMs) / TURN_MS);
    if (due <= 0) return;
    turnedMs += due * TURN_MS;
    const turns = due < CYCLE_TURNS ? due : CYCLE_TURNS + (due % CYCLE_TURNS);
    for (let count = 0; count < turns; count++) turn();
  };
  io._drain = () => {
    catchUp();
    if (io._drainInterval === null || isFull()) return;
    clearInterval(io._drainInterval);
    stopped = io._drainInterval;
  };
  congestion.isFull = () => {
    catchUp();
    if (!isFull()) return false;
    if (io._drainInterval !== null && io._drainInterval === stopped) {
      io._drainInterval = setInterval(() => io._drain(), TURN_MS);
      io._drainInterval.unref();
    }
    return true;
  };
  congestion.send = () => {
    catchUp();
    send();
  };
  congestion.recv = () => {
    catchUp();
    recv();
  };
  io.token = (address, index) => {
    catchUp();
    return token(address, index);
  };
}
