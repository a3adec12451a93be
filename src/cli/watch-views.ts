/** A rollout in the terminal: a screen that is drawn anew, plain lines, or JSON lines. */
import type { TargetName } from "../core/target-key.ts";
import type { Rollout, WatchedCopy } from "../watch/model.ts";
import { paint } from "./colour.ts";
import { columns, say } from "./output.ts";
import { amount } from "./serving.ts";

export interface View {
  readonly show: (rollout: Rollout) => void;
  /** Gives the terminal back. */
  readonly end: () => void;
}

const BAR_COLUMNS = 30;
const SPARKS = "▁▂▃▄▅▆▇█";
const SPARK_COLUMNS = 40;
const LOG_LINES = 6;
const NOTES_LINES = 4;
const OTHER_SCREEN = "\u001B[?1049h\u001B[?25l";
const OWN_SCREEN = "\u001B[?25h\u001B[?1049l";
const HOME = "\u001B[H";
const CLEAR_LINE = "\u001B[K";
const CLEAR_REST = "\u001B[J";

/** Takes the whole terminal, as long as it lasts. */
export function screen(name: TargetName): View {
  process.stdout.write(OTHER_SCREEN);
  // Whatever ends us, the terminal is not left without a cursor.
  const giveBack = (): void => void process.stdout.write(OWN_SCREEN);
  process.once("exit", giveBack);
  let last = "";
  return {
    show(rollout) {
      const { columns: width, rows } = process.stdout;
      const lines = screenLines(name, rollout, rows - 1).map((line) =>
        Bun.sliceAnsi(line, 0, width),
      );
      process.stdout.write(`${HOME}${lines.join(`${CLEAR_LINE}\n`)}${CLEAR_LINE}${CLEAR_REST}`);
      last = summary(rollout);
    },
    end() {
      process.off("exit", giveBack);
      giveBack();
      say(last);
    },
  };
}

/** @internal At most `rows` lines; the table of copies takes what the rest leaves. */
export function screenLines(name: TargetName, rollout: Rollout, rows: number): string[] {
  const { newest, versions, refusals, copies, log, peers } = rollout;
  const head = [
    paint("bold", `${name.app}  ${name.target}  ${name.channel}`),
    newestText(rollout),
    ...notesLines(rollout, NOTES_LINES).map((line) => paint("dim", line)),
    "",
    summary(rollout),
    ...versions.map(({ version, copies: count, withdrawn }) => {
      const filled = Math.round((count / Math.max(1, copies)) * BAR_COLUMNS);
      const bar = "━".repeat(filled);
      const rest = paint("dim", "━".repeat(BAR_COLUMNS - filled));
      return `${version.padEnd(16)} ${paint(version === newest?.version ? "green" : "cyan", bar)}${rest} ${count}${withdrawn ? paint("red", " withdrawn") : ""}`;
    }),
    `${paint("dim", "newest over time")} ${sparks(rollout)}`,
    ...refusals.map(({ code, copies: count }) => paint("red", `${count} stay behind: ${code}`)),
    "",
  ];
  const news = log
    .slice(-LOG_LINES)
    .map(({ atMs, text }) => paint("dim", `${clockText(atMs)} ${text}`));
  const room = Math.max(0, rows - head.length - news.length - 2);
  const table = columns([
    ["copy", "version", "last seen", "served", "clients", ""],
    ...peers.slice(0, room).map((copy) => rowOf(copy, rollout.atMs)),
  ]);
  return [...head, ...table, "", ...news].slice(0, rows);
}

/** Says what is new, and a sum when it has changed. */
export function plainLines(name: TargetName): View {
  let told = 0;
  let sum = "";
  let read = "";
  say(`${name.app} for ${name.target} (${name.channel})`);
  return {
    show(rollout) {
      for (const { number, atMs, text } of rollout.log) {
        if (number > told) say(`${clockText(atMs)} ${text}`);
      }
      told = rollout.log.at(-1)?.number ?? told;
      const notes = notesLines(rollout, Infinity).join("\n");
      if (notes !== read && notes !== "") say(notes);
      read = notes;
      const now = summary(rollout);
      if (now !== sum) say(`${clockText(rollout.atMs)} ${now}`);
      sum = now;
    },
    end: () => undefined,
  };
}

/** A line for each change. */
export function jsonLines(name: TargetName): View {
  let toldNumber = 0;
  let told = "";
  return {
    show({ atMs, startedMs: _startedMs, peers: _peers, history: _history, log, ...facts }) {
      const events = log.filter(({ number }) => number > toldNumber);
      toldNumber = events.at(-1)?.number ?? toldNumber;
      const text = JSON.stringify(facts);
      if (text === told && events.length === 0) return;
      told = text;
      process.stdout.write(`${JSON.stringify({ atMs, ...name, ...facts, events })}\n`);
    },
    end: () => undefined,
  };
}

/** @internal */
export function summary({ copies, onNewest, newest, servedBytes, providers }: Rollout): string {
  if (copies === 0) return "no copies found yet";
  const share = Math.round((100 * onNewest) / copies);
  const on = newest === null ? "" : `, ${onNewest} on ${newest.version} (${share} %)`;
  return `${copies} ${copies === 1 ? "copy" : "copies"}${on}, ${amount(servedBytes)} served by ${providers}`;
}

function newestText({ newest, atMs }: Rollout): string {
  if (newest === null) return "no release known yet";
  const { version, publishedMs, sizeBytes, withdrawn } = newest;
  const back = withdrawn === null ? "" : paint("red", `; ${withdrawn} is withdrawn`);
  return `newest ${version}, ${amount(sizeBytes)}, published ${ago(atMs - publishedMs)}${back}`;
}

/** Indented, at most `max` of them. */
function notesLines({ newest }: Rollout, max: number): string[] {
  if (newest === null || newest.notes === null) return [];
  // A tab moves the cursor by as much as the terminal likes.
  const lines = newest.notes.split("\n").map((line) => `  ${line.replaceAll("\t", "  ")}`);
  return lines.length <= max ? lines : [...lines.slice(0, max - 1), "  …"];
}

function rowOf(copy: WatchedCopy, nowMs: number): string[] {
  const { id, version, isThere, lastSeenMs, servedBytes, clients, refusal } = copy;
  return [
    id,
    version,
    isThere ? ago(nowMs - lastSeenMs) : "gone",
    servedBytes === null ? "-" : amount(servedBytes),
    clients === null ? "-" : String(clients),
    refusal ?? "",
  ];
}

/** Share of copies on the newest version, oldest first. */
function sparks({ history, newest }: Rollout): string {
  const shares = history.map(({ counts }) => {
    const all = Object.values(counts).reduce((a, b) => a + b, 0);
    return all === 0 ? 0 : (counts[newest?.version ?? ""] ?? 0) / all;
  });
  const [first, last] = [history[0]?.atMs ?? 0, history.at(-1)?.atMs ?? 0];
  const width = Math.min(SPARK_COLUMNS, shares.length);
  return Array.from({ length: width }, (_, column) => {
    const atMs = first + ((last - first) * column) / Math.max(1, width - 1);
    const index = history.findLastIndex((sample) => sample.atMs <= atMs);
    return SPARKS[Math.round((shares[index] ?? 0) * (SPARKS.length - 1))] ?? "";
  }).join("");
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 2) return "now";
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

const clockText = (atMs: number): string => new Date(atMs).toTimeString().slice(0, 8);
