import { describe as group, expect, test } from "bun:test";
import { join } from "node:path";
import { describe } from "../../src/cli/progress.ts";
import { Rate } from "../../src/core/rate.ts";

const PROGRESS = join(import.meta.dir, "../../src/cli/progress.ts");
const TIMEOUT_MS = 20_000;

/** A clock that stands still until it is told otherwise. */
function standing(): { nowMs: number; clock: ConstructorParameters<typeof Rate>[0] } {
  const state = {
    nowMs: 0,
    clock: {
      nowMs: () => state.nowMs,
      monotonicMs: () => state.nowMs,
      after: () => () => undefined,
    },
  };
  return state;
}

group("the rate", () => {
  test("is of the last seconds, not of the whole time", () => {
    const time = standing();
    const rate = new Rate(time.clock);
    expect(rate.at(0, 10_000)).toEqual({ bytesPerS: 0, leftS: undefined });
    time.nowMs = 1_000;
    expect(rate.at(1_000, 10_000)).toEqual({ bytesPerS: 1_000, leftS: 9 });
    for (let second = 2; second <= 10; second++) {
      time.nowMs = second * 1_000;
      rate.at(1_000, 10_000);
    }
    expect(rate.at(1_000, 10_000)).toEqual({ bytesPerS: 0, leftS: undefined });
  });

  test("begins anew with the next file", () => {
    const time = standing();
    const rate = new Rate(time.clock);
    rate.at(9_000, 10_000);
    time.nowMs = 1_000;
    expect(rate.at(1_000, 20_000)).toEqual({ bytesPerS: 0, leftS: undefined });
    time.nowMs = 2_000;
    expect(rate.at(3_000, 20_000)).toEqual({ bytesPerS: 2_000, leftS: 9 });
  });

  test("is told with what is done and what is left", () => {
    const speed = { bytesPerS: 2_500_000, leftS: 75 };
    expect(describe(speed, 12_000_000, 200_000_000, "from 2 peers")).toBe(
      "12.0 MB of 200.0 MB, 2.5 MB/s, 1 min 15 s left, from 2 peers",
    );
    expect(describe({ bytesPerS: 0, leftS: undefined }, 0, 10)).toBe("0 B of 10 B");
  });
});

const WORK = `
  const { showProgress } = await import(${JSON.stringify(PROGRESS)});
  const progress = showProgress("fetching", false);
  for (let done = 0; done <= 20; done++) { progress.update(done * 1e6, 20e6, "from 1 peer"); await Bun.sleep(70); }
  progress.end();
  process.stdout.write("finished\\n");
`;

test("in a pipe it is plain lines on stdout", () => {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, "-e", WORK], {
    timeout: TIMEOUT_MS,
  });
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  expect(stdout.toString()).toMatch(
    /^fetching [\d.]+ MB of 20\.0 MB, [\d.]+ MB\/s, \d+ s left, from 1 peer\n/,
  );
  expect(stdout.toString()).toEndWith("finished\n");
  expect(stdout.toString()).not.toContain("\u001B");
});

/** What a terminal of 100 columns gets to see, with ESC for the escape character. */
async function inTerminal(script: string): Promise<string> {
  let shown = "";
  const child = Bun.spawn([process.execPath, "-e", script], {
    env: { ...process.env, NO_COLOR: "1", TERM: "xterm" },
    terminal: { cols: 100, rows: 20, data: (_terminal, bytes) => (shown += bytes.toString()) },
    timeout: TIMEOUT_MS,
  });
  expect(await child.exited).toBe(0);
  child.terminal?.close();
  return shown.replaceAll("\u001B", "ESC");
}

test("work without an end rewrites its one line, which never wraps", async () => {
  const script = `
    const { showStatus } = await import(${JSON.stringify(PROGRESS)});
    const status = showStatus(true);
    status.update("first");
    status.update("second ".repeat(30));
    status.end();
  `;
  const shown = await inTerminal(script);
  expect(shown).toContain("first\rESC[2Ksecond");
  const [, line = ""] = /ESC\[2K(second[^\r\n]*)/.exec(shown) ?? [];
  expect(line).toHaveLength(99);
});

test("on a terminal it is a bar, which is gone in the end", async () => {
  const shown = await inTerminal(WORK);
  expect(shown).toMatch(/fetching ━{24} [\d.]+ MB of 20\.0 MB, [\d.]+ MB\/s/);
  // The line is cleared before the next thing is written.
  expect(shown).toMatch(/ESC\[(0?J|[02]?K)[^━]*finished/);
});
