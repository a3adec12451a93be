/**
 * The Worker half, seen from the app's thread: started when asked, started again with back-off when it
 * ends by itself. It never keeps the process alive, except while somebody awaits an answer.
 */
import { restartDelayMs } from "../update/backoff.ts";
import { PatcherError } from "./error.ts";
import type { Answers, FromWorker, Question, StartMessage, ToWorker } from "./protocol.ts";

export interface WorkerLinkOptions {
  readonly workerPath: string;
  readonly start: StartMessage;
  readonly onMessage: (message: FromWorker) => void;
  /** It ended by itself and will be started again. */
  readonly onCrash: (reason: string) => void;
}

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: PatcherError) => void;
}

/** After this long without a crash, the next one counts as the first. */
const STABLE_MS = 600_000;
const REASON_MAX_LENGTH = 300;
/** Leaving the network takes a second or two; then the thread is ended. */
const STOP_TIMEOUT_MS = 5_000;

export class WorkerLink {
  readonly #options: WorkerLinkOptions;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped: (() => void) | undefined;
  /** Why nothing is started any more. */
  #over: PatcherError | undefined;
  #nextId = 0;
  #crashes = 0;
  #startedMs = 0;

  constructor(options: WorkerLinkOptions) {
    this.#options = options;
  }

  /** Starts the Worker after `delayMs`, unless it runs or is about to. */
  startAfter(delayMs: number): void {
    if (this.#over !== undefined || this.#worker !== undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#start();
    }, delayMs);
    this.#timer.unref();
  }

  /** Rejects with a PatcherError: UPDATE_FAILED, WORKER_LOST, STOPPED, INACTIVE. */
  ask<Q extends Question>(question: Q, argument = ""): Promise<Answers[Q]> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    this.#start();
    const { promise, resolve, reject } = Promise.withResolvers<Answers[Q]>();
    const id = this.#nextId++;
    this.#pending.set(id, { resolve, reject });
    // Somebody awaits it: the process may not end before the answer is there.
    this.#worker?.ref();
    this.tell({ type: "ask", id, question, argument });
    return promise;
  }

  tell(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  /** Ends the Worker for good: in its own time first, by force when that takes too long. */
  async stop(): Promise<void> {
    if (this.#over !== undefined) return;
    this.#end(new PatcherError("STOPPED", "the patcher was stopped", { blame: "usage" }));
    const worker = this.#worker;
    if (worker === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopped = resolve;
    const timer = setTimeout(resolve, STOP_TIMEOUT_MS);
    worker.ref();
    this.tell({ type: "stop" });
    await promise;
    clearTimeout(timer);
    worker.terminate();
  }

  #start(): void {
    if (this.#over !== undefined || this.#worker !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const worker = new Worker(this.#options.workerPath, { name: "rustpatcher" });
    worker.unref();
    this.#worker = worker;
    this.#startedMs = performance.now();
    let reason = "it ended";
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      reason = reasonOf(event.message);
    });
    worker.addEventListener("close", () => {
      if (worker === this.#worker) this.#crashed(reason);
    });
    worker.addEventListener("message", (event: MessageEvent<FromWorker>) => {
      if (worker === this.#worker) this.#receive(event.data);
    });
    this.tell(this.#options.start);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "answer":
        // The Worker answers each question with its own kind of answer.
        return this.#settle(message.id)?.resolve(message.value as never);
      case "refusal": {
        const { code, message: text } = message.error;
        const details = { blame: "local", updateCode: code } as const;
        return this.#settle(message.id)?.reject(new PatcherError("UPDATE_FAILED", text, details));
      }
      case "stopped":
        return this.#stopped?.();
      case "off":
        // Nothing will come of starting it again.
        this.#end(
          new PatcherError("INACTIVE", "updates cannot run in this process", { blame: "local" }),
        );
        this.#worker?.terminate();
        return;
      case "again": {
        const worker = this.#worker;
        this.#replace("it starts anew");
        worker?.terminate();
        return;
      }
      default:
        this.#options.onMessage(message);
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#worker?.unref();
    return pending;
  }

  #crashed(reason: string): void {
    if (this.#over !== undefined) return this.#stopped?.();
    this.#replace(reason);
    this.#options.onCrash(reason);
  }

  /** Starts another Worker, later and later while they keep ending soon. */
  #replace(reason: string): void {
    this.#worker = undefined;
    this.#rejectAll(
      new PatcherError("WORKER_LOST", `the updater ended: ${reason}`, { blame: "bug" }),
    );
    this.#crashes = performance.now() - this.#startedMs > STABLE_MS ? 1 : this.#crashes + 1;
    this.startAfter(restartDelayMs(this.#crashes, Math.random()));
  }

  #end(reason: PatcherError): void {
    this.#over = reason;
    clearTimeout(this.#timer);
    this.#rejectAll(reason);
  }

  #rejectAll(reason: PatcherError): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of all) reject(reason);
  }
}

/** The error itself, without the lines of minified source that Bun puts around it. */
function reasonOf(message: string): string {
  const lines = message.split("\n").filter((line) => /^[A-Za-z]*[eE]rror: /.test(line));
  return (lines.at(-1) ?? "unknown error").slice(0, REASON_MAX_LENGTH);
}
