import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { STATUS_TEXT_MAX_BYTES } from "../../src/core/limits.ts";
import { parseUpdateMode } from "../../src/core/update-mode.ts";
import { beginProbation } from "../../src/update/probation.ts";
import { Journal } from "../../src/update/journal.ts";
import { readLastLook, writeLastLook, type LastLook } from "../../src/update/last-look.ts";
import { pathBeside } from "../../src/fs/own-files.ts";
import { writeStateFile } from "../../src/update/state-file.ts";
import { readStatus, type StatusSubject } from "../../src/update/status.ts";
import { TrustedState } from "../../src/update/trusted-state.ts";
import { InstalledApp, START_S } from "../helpers/installed.ts";

const NOW_MS = (START_S + 1_000) * 1_000;
const LOOK: LastLook = {
  checkedMs: NOW_MS,
  nextMs: NOW_MS + 60_000,
  mode: "at 03:30",
  result: { code: "DHT", message: "the network cannot be reached" },
};

let app: InstalledApp;
let path: string;
beforeEach(() => {
  app = new InstalledApp();
  path = pathBeside(app.path, "status");
});
afterEach(() => app.remove());

function subject(): StatusSubject {
  const { own, installation } = app;
  const { version, publishedS } = own.record.record;
  const { owner, extension, region } = own;
  const { app: name, channel, mode } = extension;
  return { path: installation.path, owner, app: name, channel, mode, version, publishedS, region };
}

describe("the status file", () => {
  test("says what was written", () => {
    expect(readLastLook(path)).toBeUndefined();
    writeLastLook(path, LOOK);
    expect(readLastLook(path)).toEqual(LOOK);
  });

  test("holds no more of a sentence than is read back", () => {
    for (const unit of ["a", "ä", "漢", "😀", "\ud83d"]) {
      writeLastLook(path, {
        ...LOOK,
        result: { code: "X".repeat(99), message: unit.repeat(4_000) },
      });
      const message = readLastLook(path)?.result.message ?? "";
      expect(message.length).toBeGreaterThan(STATUS_TEXT_MAX_BYTES / 4);
      expect(message.length).toBeLessThan(STATUS_TEXT_MAX_BYTES);
    }
  });

  test("says nothing when it is cut off, changed, not ours, or a link", () => {
    writeLastLook(path, LOOK);
    const bytes = readFileSync(path);
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      expect([length, readLastLook(path)]).toEqual([length, undefined]);
    }
    writeFileSync(path, bytes);
    expect(readLastLook(path)).toEqual(LOOK);
    chmodSync(path, 0o666);
    expect(readLastLook(path)).toBeUndefined();
    const link = join(app.directory, "link");
    chmodSync(path, 0o600);
    symlinkSync(path, link);
    expect(readLastLook(link)).toBeUndefined();
  });
});

describe("the journal", () => {
  const results = (act: (journal: Journal) => void): string => {
    const journal = new Journal(app.installation, parseUpdateMode("background"), () => undefined);
    journal.begin(NOW_MS);
    act(journal);
    journal.end(NOW_MS + 5_000);
    expect(readLastLook(path)).toEqual({ ...LOOK, ...journal.last });
    return journal.last?.result.code ?? "";
  };

  test("knows how a look went", () => {
    expect(results((journal) => journal.upToDate("1.0.0"))).toBe("UP_TO_DATE");
    expect(results((journal) => journal.available("1.0.1"))).toBe("AVAILABLE");
    expect(results((journal) => journal.installed("1.0.1"))).toBe("INSTALLED");
    expect(results((journal) => journal.failed(LOOK.result))).toBe("DHT");
    expect(readLastLook(path)).toMatchObject({ mode: "background", nextMs: NOW_MS + 5_000 });
  });

  test("does not say up to date of a look that failed, and says it of the next", () => {
    const both = (journal: Journal): void => {
      journal.failed(LOOK.result);
      journal.upToDate("1.0.0");
    };
    expect(results(both)).toBe("DHT");
    expect(
      results((journal) => {
        both(journal);
        journal.begin(NOW_MS + 1_000);
        journal.upToDate("1.0.0");
      }),
    ).toBe("UP_TO_DATE");
  });

  test("keeps it in memory where nothing can be written", () => {
    writeFileSync(join(app.directory, "full"), "");
    const journal = new Journal(
      { path: join(app.directory, "full", "app") } as typeof app.installation,
      parseUpdateMode("now"),
      () => undefined,
    );
    journal.begin(NOW_MS);
    journal.failed({ code: "DIRECTORY_READ_ONLY", message: "nothing can be replaced" });
    journal.end(NOW_MS + 5_000);
    expect(journal.last?.result.code).toBe("DIRECTORY_READ_ONLY");
    expect(existsSync(path)).toBe(false);
  });
});

describe("the status", () => {
  test("of a copy that has never looked is what it was built with", () => {
    expect(readStatus(subject())).toEqual({
      version: "1.0.0",
      app: app.own.extension.app,
      channel: app.own.extension.channel,
      owner: expect.any(String) as string,
      mode: app.own.extension.mode,
      checkedMs: undefined,
      nextCheckMs: undefined,
      result: undefined,
      newest: { version: "1.0.0", publishedS: app.own.record.record.publishedS },
      isNewestRefused: false,
      probation: undefined,
    });
  });

  test("tells of the last look, of a newer release, of a refused one, and of the probation", () => {
    writeLastLook(path, LOOK);
    const state = new TrustedState(app.own.record);
    const newer = app.make({ version: "1.1.0" });
    state.learn(newer.record, NOW_MS);
    writeStateFile(app.installation.statePath, state);
    beginProbation(app.installation, app.own);
    const expected = {
      checkedMs: LOOK.checkedMs,
      nextCheckMs: LOOK.nextMs,
      mode: LOOK.mode,
      result: LOOK.result,
      newest: { version: "1.1.0", publishedS: newer.record.record.publishedS },
      isNewestRefused: false,
      probation: { starts: 0 },
    };
    expect(readStatus(subject())).toMatchObject(expected);
    state.refuse(newer.record.record.root);
    writeStateFile(app.installation.statePath, state);
    expect(readStatus(subject())).toMatchObject({ ...expected, isNewestRefused: true });
    // What a running copy knows comes before what it could write.
    const look = { ...LOOK, result: { code: "UP_TO_DATE", message: "1.0.0" } };
    const live = readStatus(subject(), { look, trusted: new TrustedState(app.own.record) });
    expect(live).toMatchObject({ result: { code: "UP_TO_DATE" }, newest: { version: "1.0.0" } });
  });

  test("does not believe a state file of another owner", () => {
    const other = new InstalledApp({ version: "9.0.0" });
    try {
      writeStateFile(app.installation.statePath, new TrustedState(other.own.record));
      expect(readStatus(subject()).newest.version).toBe("1.0.0");
    } finally {
      other.remove();
    }
  });
});
