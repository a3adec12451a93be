/**
 * What a disk may hold after a power failure: of what was not synced, data is lost, and changes of names are
 * kept or lost each by itself, as no file system promises more than that.
 */
export type Operation =
  | { readonly op: "write" | "create" | "unlink"; readonly path: string }
  /** Of a file, or of the directory. */
  | { readonly op: "fsync"; readonly path: string }
  | { readonly op: "rename" | "link"; readonly path: string; readonly to: string };

export interface Disk {
  /** File by name; files are numbers. */
  readonly names: ReadonlyMap<string, number>;
  /** Files whose content is not, or not all, on the disk. */
  readonly incomplete: ReadonlySet<number>;
}

/** More changes of names between two syncs than any installation makes. */
const UNSYNCED_MAX = 14;

/** Every disk that a failure after some of the operations can leave. The files that were there are 0, 1, … */
export function* crashes(
  operations: readonly Operation[],
  directory: string,
  before: readonly string[],
): Generator<Disk> {
  const live = new Map(before.map((name, file) => [name, file]));
  let synced: ReadonlyMap<string, number> = new Map(live);
  let unsynced: (Operation & { file?: number })[] = [];
  const incomplete = new Set<number>();
  let files = before.length;
  for (const operation of operations) {
    const { op, path } = operation;
    const file = live.get(path);
    if (op === "fsync" && path === directory) {
      synced = new Map(live);
      unsynced = [];
    } else if (op === "fsync") {
      if (file !== undefined) incomplete.delete(file);
    } else if (op === "write") {
      if (file !== undefined) incomplete.add(file);
    } else {
      const made = op === "create" ? files++ : file;
      if (op === "create" && made !== undefined) incomplete.add(made);
      const change = made === undefined ? operation : { ...operation, file: made };
      apply(live, change);
      unsynced.push(change);
      if (unsynced.length > UNSYNCED_MAX) throw new Error("too much is not synced");
    }
    for (let kept = 0; kept < 2 ** unsynced.length; kept++) {
      const names = new Map(synced);
      for (const [at, change] of unsynced.entries()) {
        if ((kept & (1 << at)) !== 0) apply(names, change);
      }
      yield { names, incomplete: new Set(incomplete) };
    }
  }
}

function apply(names: Map<string, number>, change: Operation & { file?: number }): void {
  const { op, path, file } = change;
  if (op === "unlink") names.delete(path);
  if (op === "create" && file !== undefined) names.set(path, file);
  if ((op === "rename" || op === "link") && file !== undefined) {
    if (op === "rename") names.delete(path);
    names.set(change.to, file);
  }
}
