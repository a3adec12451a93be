/** Which faults to inject where: by lot, most of them at calls that could break an installation. */
import { KINDS, type Fault, type Kind, type Point } from "./strace.ts";

/** Calls that change what is on the disk, or open it to be changed. */
const CHANGES =
  /^(open|p?write|ftruncate|fch|fsetxattr|fsync|link|rename|unlink|mkdir|rmdir|utimens)/;
/** What stays as it is once it has begun. */
const LASTING: readonly Kind[] = ["ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE"];

/** From 0 to 1, 1 excluded. */
export type Random = () => number;

/** mulberry32: the same numbers for the same seed. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** At most `count` faults, of each call at most `perCall` points: the first, the last and some between. */
export function planOf(
  points: readonly Point[],
  { count, perCall, random }: { count: number; perCall: number; random: Random },
): Fault[] {
  const chosen = Map.groupBy(points, ({ call }) => call)
    .values()
    .flatMap((same) => thinned(same, perCall, random));
  const all = [...chosen].flatMap(({ call, nth }) =>
    KINDS.flatMap((kind) => [
      { call, nth, kind, lasts: false },
      ...(LASTING.includes(kind) ? [{ call, nth, kind, lasts: true }] : []),
    ]),
  );
  const byRank = Map.groupBy(shuffled(all, random), rank);
  const first = SHARES.flatMap((share, at) =>
    (byRank.get(at) ?? []).splice(0, Math.ceil(share * count)),
  );
  const rest = SHARES.flatMap((_share, at) => byRank.get(at) ?? []);
  return [...first, ...rest].slice(0, count);
}

/** Of the faults, by rank; what one does not need goes to the others. */
const SHARES = [0.4, 0.45, 0.15] as const;

function rank({ call, kind }: Fault): number {
  if (!CHANGES.test(call)) return 2;
  return kind === "SIGKILL" ? 0 : 1;
}

function thinned(points: readonly Point[], most: number, random: Random): readonly Point[] {
  if (points.length <= most) return points;
  return [
    ...points.slice(0, 1),
    ...points.slice(-1),
    ...shuffled(points.slice(1, -1), random),
  ].slice(0, most);
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
