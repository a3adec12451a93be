import { realpathSync } from "node:fs";
import { decodeRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
import { unsigned } from "../exe/check-region.ts";
import { findRegion } from "../exe/find-region.ts";
import { decodeRegion } from "../exe/full-region.ts";
import { withFile } from "../fs/file-source.ts";
import { readStatus, type Status, type StatusSubject } from "../update/status.ts";
import { command, type Command } from "./command.ts";
import { JSON_ARGUMENT, report, table } from "./output.ts";

export const status: Command = command({
  meta: { name: "status", description: "Say how the updates of an installed copy are going" },
  args: {
    binary: { type: "positional", required: true, description: "Signed executable" },
    ...JSON_ARGUMENT,
  },
  run({ args }) {
    const found = readStatus(withFile(args.binary, (source) => subjectOf(args.binary, source)));
    report(args.json === true, documentOf(found), lines(found));
  },
});

/** What the region says of itself: `verify` is the command that looks whether it is true. */
function subjectOf(binary: string, source: ByteSource): StatusSubject {
  const { offset, sizeBytes, kind } = findRegion(source);
  if (kind === "full") {
    const region = source.read(offset, sizeBytes).slice();
    const { extension } = decodeRegion(region);
    if (extension?.record !== undefined) {
      const { owner, app, channel, mode } = extension;
      const { version, publishedS } = decodeRecord(extension.record.bytes);
      // What is written down lies beside the file, and not beside a link to it.
      const path = realpathSync(binary);
      return { path, owner, app, channel, mode, version, publishedS, region };
    }
  }
  throw unsigned();
}

function documentOf(found: Status) {
  const { newest, checkedMs, nextCheckMs, result, probation } = found;
  return {
    ...found,
    newest: { version: newest.version, published: date(newest.publishedS * 1000) },
    checkedMs: undefined,
    nextCheckMs: undefined,
    checked: date(checkedMs),
    nextCheck: date(nextCheckMs),
    result: result ?? null,
    probation: probation ?? null,
  };
}

function lines(found: Status): string[] {
  const { version, app, channel, mode, owner, newest, probation } = found;
  const { checkedMs, nextCheckMs, result, isNewestRefused } = found;
  const never = "never, or it could not be written down beside the executable";
  return table({
    version,
    app,
    channel,
    owner,
    mode,
    "last check": date(checkedMs) ?? never,
    result: result?.message,
    "next check": nextCheckMs === undefined ? undefined : planned(nextCheckMs),
    newest: `${newest.version}, published ${date(newest.publishedS * 1000)}${
      isNewestRefused ? ", refused: it failed on this machine" : ""
    }`,
    probation:
      probation === undefined
        ? "none"
        : `this version has still to prove itself, after ${probation.starts} starts`,
  });
}

function planned(ms: number): string {
  const text = date(ms) ?? "";
  return ms < Date.now() ? `${text}: overdue, no copy runs` : text;
}

function date(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString().replace(".000Z", "Z");
}
