/** Passphrases: from the environment, else typed in a terminal that does not show them. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { passphraseFromEnvironment } from "../release/key-file.ts";
import { usage } from "./error.ts";

const TERMINAL = "/dev/tty";
const TYPED_MAX_BYTES = 1024;
const STTY_TIMEOUT_MS = 5_000;

/** @throws {ReleaseError} KEY_PASSPHRASE when there is neither a variable nor a terminal */
export function askPassphrase(): string {
  return typed("Passphrase of the owner key: ") ?? passphraseFromEnvironment();
}

/** Twice when typed: one that was mistyped would lose the key. @throws {CliError} USAGE */
export function choosePassphrase(): string {
  const first = typed("New passphrase: ");
  if (first === undefined) return passphraseFromEnvironment();
  if (first === "") throw usage("an empty passphrase protects nothing");
  if (typed("The same again: ") !== first) throw usage("the two passphrases differ");
  return first;
}

/** A line from the terminal, or undefined when the environment has the answer or there is no terminal. */
function typed(question: string): string | undefined {
  if ((process.env["RUSTPATCHER_PASSPHRASE"] ?? "") !== "") return undefined;
  let terminal: number;
  try {
    terminal = openSync(TERMINAL, "r+");
  } catch {
    return undefined;
  }
  try {
    writeSync(terminal, question);
    if (!stty(terminal, "-echo")) return undefined;
    const bytes = new Uint8Array(TYPED_MAX_BYTES);
    const sizeBytes = readSync(terminal, bytes);
    return new TextDecoder().decode(bytes.subarray(0, sizeBytes)).replace(/\r?\n$/, "");
  } finally {
    stty(terminal, "echo");
    writeSync(terminal, "\n");
    closeSync(terminal);
  }
}

function stty(terminal: number, setting: "echo" | "-echo"): boolean {
  const { exitCode } = Bun.spawnSync(["stty", setting], {
    stdio: [terminal, "ignore", "ignore"],
    timeout: STTY_TIMEOUT_MS,
  });
  return exitCode === 0;
}
