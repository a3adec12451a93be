/** What somebody may have meant by a word that does not exist. */

/** Of a word of ten letters, three may be wrong. */
const WRONG_MAX_SHARE = 0.34;

/** ` (did you mean X?)` for the candidate closest to `word`, or an empty text when none is close. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const [best] = candidates
    .map((name) => ({ name, distance: isStartOf(word, name) ? 1 : editDistance(word, name) }))
    .filter(({ name, distance }) => distance <= Math.max(1, name.length * WRONG_MAX_SHARE))
    .sort((a, b) => a.distance - b.distance);
  return best === undefined ? "" : ` (did you mean ${best.name}?)`;
}

const isStartOf = (word: string, name: string): boolean =>
  word.replace(/^-+/, "").length > 2 && name.startsWith(word);

/**
 * Letters to insert, delete or replace, and neighbours to swap, to get from `a` to `b`: the restricted
 * Damerau-Levenshtein distance.
 */
export function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let old: number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const now = [row];
    for (let column = 1; column <= b.length; column++) {
      const isEqual = a[row - 1] === b[column - 1];
      const isSwapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const steps = [
        at(old, column) + 1,
        at(now, column - 1) + 1,
        at(old, column - 1) + (isEqual ? 0 : 1),
        isSwapped ? at(older, column - 2) + 1 : Infinity,
      ];
      now.push(Math.min(...steps));
    }
    [older, old] = [old, now];
  }
  return at(old, b.length);
}

const at = (row: readonly number[], column: number): number => row[column] ?? Infinity;
