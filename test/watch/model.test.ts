/** Events in, a picture out. */
import { describe, expect, spyOn, test } from "bun:test";
import * as fc from "fast-check";
import { plainLines, screenLines, summary } from "../../src/cli/watch-views.ts";
import { WATCHED_COPIES_MAX } from "../../src/core/limits.ts";
import { chartOf, CHART_HEIGHT, CHART_WIDTH, OTHER } from "../../src/watch/chart.ts";
import { History } from "../../src/watch/history.ts";
import { RolloutModel, type WatchEvent } from "../../src/watch/model.ts";

const STALE_MS = 10_000;
const key = (letter: string): string => letter.repeat(64);

function met(letter: string, version: string, servedBytes?: number, refusal?: string): WatchEvent {
  const status = servedBytes === undefined ? undefined : { servedBytes, clients: 1, refusal };
  return { type: "met", copy: key(letter), version, status };
}
const release = (version: string, withdrawn?: string): WatchEvent => ({
  type: "release",
  version,
  publishedS: 1_000,
  sizeBytes: 100,
  withdrawn,
});

function after(...events: readonly (readonly [atMs: number, event: WatchEvent])[]) {
  const model = new RolloutModel(0, STALE_MS);
  for (const [atMs, event] of events) model.apply(event, atMs);
  return model.rollout(events.at(-1)?.[0] ?? 0);
}

describe("the model", () => {
  test("counts copies by version, newest first, and what they say they have served", () => {
    const rollout = after(
      [0, release("1.10.0")],
      [1, met("a", "1.9.0", 1_000)],
      [2, met("b", "1.10.0", 5_000)],
      [3, met("c", "1.9.0")],
      [4, met("a", "1.9.0", 2_000)],
    );
    expect(rollout).toMatchObject({
      copies: 3,
      onNewest: 1,
      versions: [
        { version: "1.10.0", copies: 1, withdrawn: false },
        { version: "1.9.0", copies: 2, withdrawn: false },
      ],
      servedBytes: 7_000,
      providers: 2,
      silent: 1,
    });
    expect(rollout.peers.map(({ id, version }) => [id, version])).toEqual([
      ["bbbbbbbb", "1.10.0"],
      ["aaaaaaaa", "1.9.0"],
      ["cccccccc", "1.9.0"],
    ]);
  });

  test("a copy that is gone, or silent for too long, counts no more; what it served does", () => {
    const rollout = after(
      [0, met("a", "1.0.0", 1_000)],
      [0, met("b", "1.0.0", 500)],
      [5_000, { type: "gone", copy: key("a") }],
      [10_001, { type: "tick" }],
    );
    expect(rollout).toMatchObject({ copies: 0, servedBytes: 1_500 });
    expect(rollout.peers.every(({ isThere }) => !isThere)).toBe(true);
    expect(rollout.log.filter(({ text }) => text.includes("gone"))).toHaveLength(2);
    // And it may come back.
    expect(
      after([0, met("a", "1.0.0")], [1, { type: "gone", copy: key("a") }], [2, met("a", "1.0.0")])
        .copies,
    ).toBe(1);
  });

  test("tells of refusals, once for each, and of the end of a rollout, once", () => {
    const rollout = after(
      [0, release("1.0.1")],
      [1, met("a", "1.0.0", 0, "DIRECTORY_UNSAFE")],
      [2, met("a", "1.0.0", 0, "DIRECTORY_UNSAFE")],
      [3, met("b", "1.0.1", 0)],
      [4, { type: "tick" }],
      [5, met("a", "1.0.1", 0)],
      [6, { type: "tick" }],
      [7, { type: "tick" }],
    );
    const texts = rollout.log.map(({ text }) => text);
    expect(texts.filter((text) => text.includes("DIRECTORY_UNSAFE"))).toHaveLength(1);
    expect(texts.filter((text) => text === "all 2 copies are on 1.0.1")).toHaveLength(1);
    expect(rollout.refusals).toEqual([]);
    expect(after([1, met("a", "1.0.0", 0, "DIRECTORY_UNSAFE")]).refusals).toEqual([
      { code: "DIRECTORY_UNSAFE", copies: 1 },
    ]);
  });

  test("a withdrawal: what is above the release up to the version that it takes back", () => {
    const rollout = after(
      [0, release("1.10.0")],
      [1, met("a", "1.10.0")],
      [2, met("b", "1.9.0")],
      [3, met("c", "1.9.1")],
      [4, met("d", "1.11.0")],
      [5, release("1.9.0", "1.10.0")],
    );
    expect(rollout.newest).toMatchObject({ version: "1.9.0", withdrawn: "1.10.0" });
    expect(rollout.versions.map(({ version, withdrawn }) => [version, withdrawn])).toEqual([
      ["1.11.0", false],
      ["1.10.0", true],
      ["1.9.1", true],
      ["1.9.0", false],
    ]);
    expect(rollout.log.at(-1)?.text).toBe("1.10.0 is withdrawn: copies go back to 1.9.0");
  });

  test("notes are those of the newest release, and go with it", () => {
    const told: WatchEvent = { type: "notes", version: "1.0.1", notes: "New:\n\tall of it" };
    expect(after([0, release("1.0.1")], [1, told]).newest?.notes).toBe("New:\n\tall of it");
    expect(after([0, release("1.0.2")], [1, told]).newest?.notes).toBeNull();
    expect(after([0, release("1.0.1")], [1, told], [2, release("1.0.2")]).newest?.notes).toBeNull();
  });

  test("keys cost nothing, so their number is bounded: who is gone is forgotten first", () => {
    const model = new RolloutModel(0, STALE_MS);
    const hex = (number: number): string => number.toString(16).padStart(64, "0");
    const come = (number: number): void =>
      model.apply(
        {
          type: "met",
          copy: hex(number),
          version: "1.0.0",
          status: { servedBytes: 1, clients: 0, refusal: undefined },
        },
        number,
      );
    for (let number = 0; number < WATCHED_COPIES_MAX; number++) come(number);
    model.apply({ type: "gone", copy: hex(7) }, WATCHED_COPIES_MAX);
    come(WATCHED_COPIES_MAX);
    const rollout = model.rollout(0);
    expect(rollout.peers).toHaveLength(WATCHED_COPIES_MAX);
    expect(rollout.copies).toBe(WATCHED_COPIES_MAX);
    expect(rollout.servedBytes).toBe(WATCHED_COPIES_MAX + 1);
    expect(rollout.log.length).toBeLessThanOrEqual(200);
  });
});

describe("the history", () => {
  test("keeps the corners of steps", () => {
    const history = new History();
    for (let atMs = 0; atMs < 100; atMs++)
      history.add({ atMs, counts: { "1.0.0": atMs < 50 ? 1 : 2 } });
    expect(history.samples.map(({ atMs }) => atMs)).toEqual([0, 49, 50, 99]);
  });

  test("is bounded, and keeps its ends", () => {
    const history = new History();
    for (let atMs = 0; atMs < 50_000; atMs++) history.add({ atMs, counts: { "1.0.0": atMs % 7 } });
    expect(history.samples.length).toBeLessThanOrEqual(600);
    expect([history.samples[0]?.atMs, history.samples.at(-1)?.atMs]).toEqual([0, 49_999]);
    const times = history.samples.map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
});

describe("the chart", () => {
  test("stacks versions, the newest at the bottom", () => {
    const chart = chartOf([
      { atMs: 0, counts: { "1.0.0": 2 } },
      { atMs: 10, counts: { "1.0.0": 1, "1.0.1": 1 } },
    ]);
    expect(chart).toMatchObject({ max: 2, areas: [{ version: "1.0.1" }, { version: "1.0.0" }] });
    const [w, h] = [CHART_WIDTH, CHART_HEIGHT];
    expect(chart.areas.map(({ path }) => path)).toEqual([
      `M0 ${h}L${w} ${h / 2}L${w} ${h}L0 ${h}Z`,
      `M0 0L${w} 0L${w} ${h / 2}L0 ${h}Z`,
    ]);
  });

  test("puts the oldest of many versions together", () => {
    const counts = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`1.0.${index}`, 1]));
    const { areas } = chartOf([{ atMs: 0, counts }]);
    expect(areas.map(({ version }) => version)).toEqual([
      "1.0.8",
      "1.0.7",
      "1.0.6",
      "1.0.5",
      "1.0.4",
      OTHER,
    ]);
  });

  test("stays inside its frame, whatever the counts", () => {
    const counts = fc.dictionary(
      fc.constantFrom("1.0.0", "1.0.1", "2.0.0"),
      fc.integer({ min: 0, max: 5_000 }),
    );
    fc.assert(
      fc.property(fc.array(counts, { maxLength: 20 }), (all) => {
        const { areas, ticks } = chartOf(
          all.map((one, index) => ({ atMs: index * 1_000, counts: one })),
        );
        for (const { path } of areas) {
          for (const [, x, y] of path.matchAll(/([\d.-]+) ([\d.-]+)/g)) {
            expect(Number(x)).toBeWithin(0, CHART_WIDTH + 1);
            expect(Number(y)).toBeWithin(0, CHART_HEIGHT + 1);
          }
        }
        expect(ticks.every(({ copies }) => Number.isInteger(copies))).toBe(true);
      }),
    );
  });
});

describe("the terminal", () => {
  const name = { app: "my-app", target: "linux-x64", channel: "stable" };

  test("one line for all of it", () => {
    expect(summary(after())).toBe("no copies found yet");
    const rollout = after(
      [0, release("1.0.1")],
      [1, met("a", "1.0.0", 2_048)],
      [2, met("b", "1.0.1", 0)],
    );
    expect(summary(rollout)).toBe("2 copies, 1 on 1.0.1 (50 %), 2.0 KB served by 1");
  });

  test("shows what the owner says: notes, cut short, and what was withdrawn", () => {
    const notes = "New:\n\tone\n\ttwo\n\tthree\n\tfour";
    const rollout = after(
      [0, release("1.0.0", "1.0.1")],
      [1, { type: "notes", version: "1.0.0", notes }],
      [2, met("a", "1.0.1")],
    );
    const text = Bun.stripANSI(screenLines(name, rollout, 40).join("\n"));
    expect(text).toContain("; 1.0.1 is withdrawn\n  New:\n    one\n    two\n  …\n");
    expect(text).toMatch(/^1\.0\.1 .* 1 withdrawn$/m);
    const printed: string[] = [];
    const write = spyOn(process.stdout, "write").mockImplementation((line) => {
      printed.push(String(line));
      return true;
    });
    try {
      const view = plainLines(name);
      view.show(rollout);
      view.show(rollout);
    } finally {
      write.mockRestore();
    }
    const lines = printed.join("");
    expect(lines).toContain("1.0.1 is withdrawn: copies go back to 1.0.0\n");
    expect(lines.split("  New:\n    one\n    two\n    three\n    four\n")).toHaveLength(2);
  });

  test("fits the screen, however many there are", () => {
    const many = Array.from({ length: 60 }, (_, index) => {
      const copy = index.toString(16).padStart(64, "0");
      return [
        index,
        { type: "met", copy, version: `1.0.${index % 3}`, status: undefined },
      ] as const;
    });
    for (const rows of [5, 24, 80]) {
      const lines = screenLines(
        name,
        after([0, release("1.0.2")], ...many, [60, { type: "tick" }]),
        rows,
      );
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(lines[0]).toContain("my-app");
    }
  });
});
