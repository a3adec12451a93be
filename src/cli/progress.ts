/** Long work shows itself: a bar on a terminal, a plain line now and then elsewhere, nothing when quiet. */
import { SingleBar } from "cli-progress";
import { systemClock, type Clock } from "../core/clock.ts";
import { Rate, type Speed } from "../core/rate.ts";
import { paint } from "./colour.ts";
import { isQuiet, say } from "./output.ts";
import { amount } from "./serving.ts";

const LINE_EVERY_MS = 1_000;
const BAR_COLUMNS = 24;
const FRAMES_PER_SECOND = 8;

export interface Progress {
  /** `note` stands behind the numbers. */
  readonly update: (doneBytes: number, totalBytes: number, note?: string) => void;
  /** Takes the bar away; to be called whatever happened, more than once if need be. */
  readonly end: () => void;
}

/** Shows how far `verb` (“fetching”) has come. */
export function showProgress(verb: string, isJson: boolean): Progress {
  if (isJson || isQuiet()) return { update: () => undefined, end: () => undefined };
  const rate = new Rate(systemClock);
  return process.stderr.isTTY ? bar(verb, rate) : lines(verb, rate, systemClock);
}

function bar(verb: string, rate: Rate): Progress {
  let isStarted = false;
  let text = "";
  const shown = new SingleBar({
    stream: process.stderr,
    fps: FRAMES_PER_SECOND,
    clearOnComplete: true,
    linewrap: false,
    // Somebody else may have set it, and piped input is not ours to take.
    gracefulExit: false,
    noTTYOutput: false,
    format: (_options, { progress }) => {
      const filled = Math.round(Math.min(1, Math.max(0, progress)) * BAR_COLUMNS);
      const done = paint("green", "━".repeat(filled), process.stderr);
      const rest = paint("dim", "━".repeat(BAR_COLUMNS - filled), process.stderr);
      return `${verb} ${done}${rest} ${text}`;
    },
  });
  return {
    update(doneBytes, totalBytes, note) {
      text = describe(rate.at(doneBytes, totalBytes), doneBytes, totalBytes, note);
      if (!isStarted) shown.start(totalBytes, doneBytes);
      else shown.setTotal(totalBytes);
      isStarted = true;
      shown.update(doneBytes);
    },
    end() {
      if (isStarted) shown.stop();
      isStarted = false;
    },
  };
}

function lines(verb: string, rate: Rate, clock: Clock): Progress {
  let toldMs = clock.monotonicMs();
  return {
    update(doneBytes, totalBytes, note) {
      const speed = rate.at(doneBytes, totalBytes);
      const nowMs = clock.monotonicMs();
      if (nowMs - toldMs < LINE_EVERY_MS) return;
      toldMs = nowMs;
      say(`${verb} ${describe(speed, doneBytes, totalBytes, note)}`);
    },
    end: () => undefined,
  };
}

export interface Status {
  readonly update: (line: string) => void;
  readonly end: () => void;
}

/**
 * For work without an end: a line for each change, which on a terminal takes the place of the one before when
 * there is but one thing to tell of.
 */
export function showStatus(isOne: boolean): Status {
  if (isQuiet()) return { update: () => undefined, end: () => undefined };
  if (!process.stderr.isTTY || !isOne) return { update: say, end: () => undefined };
  return {
    update: (line) => {
      const width = Math.max(1, process.stderr.columns - 1);
      process.stderr.write(`\r\u001B[2K${line.slice(0, width)}`);
    },
    end: () => void process.stderr.write("\n"),
  };
}

/** @internal */
export function describe(
  { bytesPerS, leftS }: Speed,
  doneBytes: number,
  totalBytes: number,
  note?: string,
): string {
  const parts = [
    `${amount(doneBytes)} of ${amount(totalBytes)}`,
    ...(bytesPerS > 0 ? [`${amount(Math.round(bytesPerS))}/s`] : []),
    ...(leftS === undefined ? [] : [`${duration(leftS)} left`]),
    ...(note === undefined ? [] : [note]),
  ];
  return parts.join(", ");
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
