/** Adoption as stacked areas: geometry only, whoever draws it chooses the colours. Pure. */
import { newerFirst } from "./model.ts";
import type { Sample } from "./history.ts";

export interface Area {
  readonly version: string;
  /** SVG path data. */
  readonly path: string;
}

export interface Chart {
  readonly width: number;
  readonly height: number;
  /** Copies at the top edge. */
  readonly max: number;
  /** Newest version first, drawn from the bottom up. */
  readonly areas: readonly Area[];
  /** Horizontal lines: copies, and where. */
  readonly ticks: readonly { readonly copies: number; readonly y: number }[];
}

export const CHART_WIDTH = 720;
export const CHART_HEIGHT = 220;
/** Older versions than these share one area. */
const VERSIONS_MAX = 6;
export const OTHER = "older";

export function chartOf(history: readonly Sample[]): Chart {
  const names = [...new Set(history.flatMap(({ counts }) => Object.keys(counts)))].sort(newerFirst);
  const shown = names.length > VERSIONS_MAX ? names.slice(0, VERSIONS_MAX - 1) : names;
  const versions = shown.length < names.length ? [...shown, OTHER] : shown;
  const totals = history.map(({ counts }) => Object.values(counts).reduce((a, b) => a + b, 0));
  const max = niceMax(Math.max(1, ...totals));
  const firstMs = history[0]?.atMs ?? 0;
  const spanMs = Math.max(1, (history.at(-1)?.atMs ?? 0) - firstMs);
  const x = (atMs: number): number => round(((atMs - firstMs) / spanMs) * CHART_WIDTH);
  const y = (copies: number): number => round(CHART_HEIGHT * (1 - copies / max));

  let floor: readonly number[] = history.map(() => 0);
  const areas = versions.map((version) => {
    const under = floor;
    const over = history.map(
      ({ counts }, index) =>
        (under[index] ?? 0) + (version === OTHER ? others(counts, shown) : (counts[version] ?? 0)),
    );
    floor = over;
    const top = history.map(({ atMs }, index) => `${x(atMs)} ${y(over[index] ?? 0)}`);
    const bottom = history.map(({ atMs }, index) => `${x(atMs)} ${y(under[index] ?? 0)}`).reverse();
    const path = top.length === 0 ? "" : `M${[...top, ...bottom].join("L")}Z`;
    return { version, path };
  });
  const ticks = [0, max / 2, max].map((copies) => ({ copies, y: y(copies) }));
  return { width: CHART_WIDTH, height: CHART_HEIGHT, max, areas, ticks };
}

function others(counts: Sample["counts"], shown: readonly string[]): number {
  let sum = 0;
  for (const [version, copies] of Object.entries(counts)) {
    if (!shown.includes(version)) sum += copies;
  }
  return sum;
}

/** An even number at or a little above `value`, so that its half is a number of copies as well. */
function niceMax(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const steps = [1, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power);
  const above = steps.find((step) => step >= value && step % 2 === 0) ?? Math.ceil(value / 2) * 2;
  return Math.max(2, above);
}

const round = (value: number): number => Math.round(value * 10) / 10;
