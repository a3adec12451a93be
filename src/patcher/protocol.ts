/** What the two halves say to each other. Plain data; both halves come from one executable. */
import type { LogLevel } from "../core/log.ts";
import type { ErrorInfo, ReleaseInfo, UpdateEvent } from "../update/events.ts";
import type { Status } from "../update/status.ts";
import type { Verbosity } from "./stderr.ts";

/** Wins over the region; undefined leaves it to the region. */
export interface Overrides {
  /** As update-mode.ts writes it. */
  readonly mode?: string | undefined;
  readonly intervalSeconds?: number | undefined;
  /** "off", "unlimited" or a rate such as "500 KB/s". */
  readonly upload?: string | undefined;
  /** "host:port" */
  readonly bootstrap?: readonly string[] | undefined;
}

/** Unchecked texts of the environment, which wins over everything. */
export interface Environment {
  readonly bootstrap?: string | undefined;
  readonly channel?: string | undefined;
  readonly interval?: string | undefined;
  readonly statistics?: string | undefined;
  readonly upload?: string | undefined;
}

export interface StartMessage {
  readonly type: "start";
  readonly execPath: string;
  readonly verbosity: Verbosity;
  readonly overrides: Overrides;
  readonly environment: Environment;
}

/** Indices of a helper's signal: set when it is done; changes while it gets on. */
export const HELPER_DONE = 0;
export const HELPER_BEAT = 1;

/** The background mode: one look, and nothing is answered but through `signal`, a shared array of two. */
export interface HelpMessage extends Omit<StartMessage, "type"> {
  readonly type: "help";
  readonly signal: Int32Array<SharedArrayBuffer>;
}

/** What each question is answered with. */
export interface Answers {
  readonly check: ReleaseInfo | undefined;
  readonly apply: ReleaseInfo | undefined;
  readonly rollback: ReleaseInfo | undefined;
  readonly status: Status | undefined;
  /** Asked with its name. */
  readonly switchChannel: undefined;
}

export type Question = keyof Answers;

export interface AskMessage {
  readonly type: "ask";
  readonly id: number;
  readonly question: Question;
  readonly argument: string;
}

export type ToWorker =
  | StartMessage
  | HelpMessage
  /** Answered by `self`; nothing is started. */
  | { readonly type: "inspect"; readonly execPath: string }
  /** Answered by `status`; nothing is started. */
  | { readonly type: "status"; readonly execPath: string }
  | AskMessage
  | { readonly type: "restart-failed"; readonly reason: string }
  /** Answered by `stopped`. */
  | { readonly type: "stop" };

/** The core of a verified executable. */
export interface SelfInfo {
  readonly version: string;
  readonly sizeBytes: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

export type FromWorker =
  | { readonly type: "log"; readonly level: LogLevel; readonly text: string }
  | { readonly type: "event"; readonly event: UpdateEvent }
  | { readonly type: "answer"; readonly id: number; readonly value: Answers[Question] }
  | { readonly type: "refusal"; readonly id: number; readonly error: ErrorInfo }
  | { readonly type: "self"; readonly self: SelfInfo }
  | { readonly type: "status"; readonly status: Status }
  | { readonly type: "unverified"; readonly error: ErrorInfo }
  /** Updates cannot run in this process at all; the reason is on the log. */
  | { readonly type: "off" }
  /** Most of this Worker is gone: start another one. */
  | { readonly type: "again" }
  /** Step 8: become the new version now. */
  | { readonly type: "restart" }
  | { readonly type: "stopped" };
