/**
 * Whose fault an error is decides the reaction: a *peer* is dropped and we go on, an *artifact* (one
 * release) is refused, a *local* fault is retried later, a *usage* fault is told to the person who
 * called, a *bug* is ours.
 */
export type Blame = "peer" | "artifact" | "local" | "usage" | "bug";

export interface ErrorDetails {
  readonly blame?: Blame;
  readonly cause?: unknown;
  /** Evidence: expected and actual values, offsets, paths. Never secrets. */
  readonly [field: string]: unknown;
}

/**
 * Base of every error this project throws. Each folder has one subclass with a closed union of codes;
 * callers switch on `code`, people read `message`, which is one sentence that says what to do.
 */
export class RustpatcherError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly blame: Blame;
  /** The values that led to the refusal. */
  readonly evidence: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    const { blame = "bug", cause, ...evidence } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.blame = blame;
    this.evidence = evidence;
  }
}
