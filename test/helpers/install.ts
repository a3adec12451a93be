/** Steps 2 to 7 and 9 as the updater takes them, with one file as the whole swarm, or with a real one. */
import { readFileSync } from "node:fs";
import { asSignature } from "../../src/core/brand.ts";
import { concat } from "../../src/core/bytes.ts";
import { systemClock } from "../../src/core/clock.ts";
import { verifyRecord, type VerifiedRecord } from "../../src/core/release-record.ts";
import { canonicalStream } from "../../src/exe/canonical.ts";
import { verifyExecutable, type VerifiedFull } from "../../src/exe/verify-executable.ts";
import { fileSource, openFile, withFile } from "../../src/fs/file-source.ts";
import { DurableState } from "../../src/update/durable-state.ts";
import { Installation } from "../../src/update/installation.ts";
import type { Rehearse } from "../../src/update/rehearse.ts";
import type { ReleaseSource } from "../../src/update/release-source.ts";
import { TrustedState } from "../../src/update/trusted-state.ts";
import { Updater } from "../../src/update/updater.ts";

/** Longer than any test: nothing is looked for by itself. */
const INTERVAL_MS = 3_600_000;
const SIGNATURE_BYTES = 64;

export const noRehearsal: Rehearse = async () => undefined;

/**
 * `start` does what every start of the updater does, and no more; after `unstartable` the new version cannot
 * be started (step 8 fails).
 */
export type Act = "install" | "rollback" | "start" | "unstartable";

export interface InstallOptions {
  /** The installed executable. */
  readonly path: string;
  /** The file of the newest release, or who has it. */
  readonly next: string | ReleaseSource;
  readonly act?: Act;
  readonly rehearse: Rehearse;
  /** Of a program that runs already; the caller closes it. */
  readonly installation?: Installation;
  /** What verifying the two has shown, when that was done before. */
  readonly own?: VerifiedFull;
  readonly wanted?: VerifiedFull;
  /** A file with another record of the newest release, which is announced in place of its own. */
  readonly announced?: string;
}

/** "" when all went well, else the code of what did not. */
export async function install(options: InstallOptions): Promise<string> {
  let installation: Installation | undefined;
  let updater: Updater | undefined;
  try {
    installation = options.installation ?? Installation.open(options.path);
    const own = options.own ?? fullOf(verifyExecutable(installation.source));
    const log = (): void => undefined;
    const nowMs = systemClock.nowMs();
    const trusted = new TrustedState(own.record);
    updater = new Updater({
      installation,
      own,
      state: new DurableState(trusted, { installation, owner: own.owner, log, nowMs }),
      source: sourceOf(options),
      mode: { kind: "manual" },
      intervalMs: INTERVAL_MS,
      clock: systemClock,
      random: Math.random,
      emit: () => undefined,
      log,
      rehearse: options.rehearse,
      restart: () => {
        if (options.act === "unstartable") updater?.restartFailed("ENOEXEC");
      },
    });
    updater.start();
    if (options.act === "rollback") await updater.rollback();
    else if (options.act !== "start") await updater.apply();
    return "";
  } catch (cause) {
    return String(Reflect.get(Object(cause), "code"));
  } finally {
    await updater?.stop();
    if (options.installation === undefined) installation?.close();
  }
}

export function verified(path: string): VerifiedFull {
  return withFile(path, (source) => fullOf(verifyExecutable(source)));
}

function fullOf(found: ReturnType<typeof verifyExecutable>): VerifiedFull {
  if (found.kind === "full") return found;
  throw new Error("not a full executable");
}

function sourceOf({ next, wanted, announced }: InstallOptions): ReleaseSource {
  if (typeof next !== "string") return next;
  const found = wanted ?? verified(next);
  if (announced === undefined) return fileRelease(next, found);
  const bytes = readFileSync(announced);
  const signature = asSignature(bytes.subarray(0, SIGNATURE_BYTES));
  const record = verifyRecord(found.owner, bytes.subarray(SIGNATURE_BYTES), signature);
  return fileRelease(next, { ...found, record });
}

/** For `announced`. */
export function announcement({ bytes, signature }: VerifiedRecord): Uint8Array {
  return concat(signature, bytes);
}

function fileRelease(path: string, { record, table, region, offset }: VerifiedFull): ReleaseSource {
  return {
    hasReached: true,
    serve: () => undefined,
    discover: async (): Promise<VerifiedRecord> => record,
    fetch: async (_release, { checkRegion, missing, onPiece }) => {
      checkRegion(region);
      const stream = canonicalStream(fileSource(openFile(path)), offset);
      for (const index of await missing(table)) {
        const range = table.rangeOf(index);
        const piece = { first: index, count: 1, offset: range.offset };
        await onPiece(piece, stream.read(range.offset, range.sizeBytes));
      }
      return { region, table };
    },
  };
}
