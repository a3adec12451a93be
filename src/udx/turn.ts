/**
 * Work put off to the end of the event-loop turn. A receive batch touches a stream many times; its ACK, its
 * packets and its chunk for the reader are made once, and each socket makes one system call for all of them.
 */
import { TIMER_GRANULARITY_MS } from "./constants.ts";
import { Deadlines } from "./deadlines.ts";
import { throwUncaught } from "./error.ts";
import type { Runtime } from "./runtime.ts";

export interface TurnTask {
  /** Set while the task waits for the end of the turn. */
  isMarked: boolean;
  /** Clears `isMarked` where whatever comes later needs another turn. */
  endTurn(nowMs: number): void;
}

export class Turn {
  readonly deadlines: Deadlines;
  private readonly runtime: Runtime;
  private streams: TurnTask[] = [];
  private sockets: TurnTask[] = [];
  private paced: TurnTask[] = [];
  private isScheduled = false;
  private isRunning = false;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
    this.deadlines = new Deadlines(runtime.clock);
  }

  get nowMs(): number {
    return this.runtime.clock.monotonicMs();
  }

  /** The stream has something to do at the end of the turn. */
  mark(stream: TurnTask): void {
    if (stream.isMarked) return;
    stream.isMarked = true;
    this.streams.push(stream);
    this.schedule();
  }

  /** The socket has datagrams to send; it goes after all streams. */
  markSocket(socket: TurnTask): void {
    if (socket.isMarked) return;
    socket.isMarked = true;
    this.sockets.push(socket);
    this.schedule();
  }

  /** Marks the stream again after a timer tick: its pacing budget is spent. One timer serves all streams. */
  markPaced(stream: TurnTask): void {
    this.paced.push(stream);
    if (this.paced.length === 1) this.runtime.clock.after(TIMER_GRANULARITY_MS, this.onPace);
  }

  /** Ends the turn now. Called in a long receive batch, so that ACKs and data do not wait for its end. */
  run(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    try {
      const nowMs = this.nowMs;
      const streams = this.streams;
      if (streams.length > 0) this.streams = [];
      for (const stream of streams) endTurn(stream, nowMs);
      const sockets = this.sockets;
      if (sockets.length > 0) this.sockets = [];
      for (const socket of sockets) endTurn(socket, nowMs);
    } finally {
      this.isRunning = false;
    }
  }

  /** Calls back when the handlers of everything delivered so far have run. */
  afterHandlers(callback: () => void): void {
    this.runtime.defer(callback);
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.runtime.defer(this.onDefer);
  }

  private readonly onDefer = (): void => {
    this.isScheduled = false;
    this.run();
    // Callbacks of this run may have marked again; `run` itself does not loop, so that I/O gets its turn.
    if (this.streams.length > 0 || this.sockets.length > 0) this.schedule();
  };

  private readonly onPace = (): void => {
    const paced = this.paced;
    this.paced = [];
    for (const stream of paced) this.mark(stream);
    this.run();
  };
}

function endTurn(task: TurnTask, nowMs: number): void {
  try {
    task.endTurn(nowMs);
  } catch (error) {
    throwUncaught(error);
  }
}
