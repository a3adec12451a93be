import { describe, expect, test } from "bun:test";
import { posixSwap, windowsSwap, type Swap } from "../../src/fs/swap.ts";
import { Killed, SimulatedWindows } from "../helpers/simulated-windows.ts";

const PATH = String.raw`C:\Apps\App.exe`;
const PREVIOUS = String.raw`C:\Apps\.App.exe.rustpatcher-previous`;
const NEW = String.raw`C:\Apps\.App.exe.update.new`;
/** Far more than any of these takes. */
const OPERATIONS_MAX = 20;

interface World {
  readonly disk: SimulatedWindows;
  readonly swap: Swap;
  readonly waits: number[];
}

/** Version 2 runs, version 3 is ready to be installed. */
function world({ previous, isPreviousRun = false }: Start = {}): World {
  const disk = new SimulatedWindows();
  const waits: number[] = [];
  let leftovers = 0;
  const swap = windowsSwap(disk, {
    sleep: (waitMs) => waits.push(waitMs),
    leftoverPath: () => String.raw`C:\Apps\.App.exe.update.${leftovers++}`,
  });
  disk.add(PATH, "two", true);
  disk.add(NEW, "three");
  if (previous !== undefined) disk.add(PREVIOUS, previous, isPreviousRun);
  return { disk, swap, waits };
}

interface Start {
  readonly previous?: string | undefined;
  readonly isPreviousRun?: boolean;
}

/** What step 7 does, in its order. */
function install({ swap }: World): void {
  swap.keep(PATH, PREVIOUS);
  swap.replace(NEW, PATH, PREVIOUS);
}

const starts: readonly (readonly [string, Start])[] = [
  ["nothing", {}],
  ["an older version", { previous: "one" }],
  ["an older version that still runs", { previous: "one", isPreviousRun: true }],
];

describe.each(starts)("with %s as the rollback copy", (_what, start) => {
  test("the new file is in place, and the one that runs is the rollback copy", () => {
    const { disk, ...rest } = world(start);
    install({ disk, ...rest });
    expect([disk.at(PATH), disk.at(PREVIOUS)]).toEqual(["three", "two"]);
    // What still runs cannot be removed: it has a name that the next sweep finds.
    const left = [...disk.files.values()].filter(({ content }) => content === "one");
    expect(left.length).toBe(start.isPreviousRun === true ? 1 : 0);
    expect(rest.waits).toEqual([]);
  });

  test("killed before any operation, a whole version is there, at the latest after recovery", () => {
    let recovered = 0;
    for (let kill = 1; ; kill++) {
      const { disk, swap, waits } = world(start);
      disk.killBefore = kill;
      try {
        install({ disk, swap, waits });
        expect(kill).toBeGreaterThan(2);
        break;
      } catch (error) {
        expect(error).toBeInstanceOf(Killed);
      }
      disk.reboot();
      if (!disk.exists(PATH)) {
        expect(swap.recover(PREVIOUS, PATH)).toBe(true);
        recovered++;
        expect(disk.at(PATH)).toBe("two");
      }
      expect(["two", "three"]).toContain(disk.at(PATH) ?? "");
      // And then the update goes through.
      if (disk.at(PATH) !== "three") {
        if (!disk.exists(NEW)) disk.add(NEW, "three");
        install({ disk, swap, waits });
        expect([disk.at(PATH), disk.at(PREVIOUS)]).toEqual(["three", "two"]);
      }
      expect(kill).toBeLessThan(OPERATIONS_MAX);
    }
    // There is one moment, and one alone, at which Windows has nothing at the path.
    expect(recovered).toBe(1);
  });

  test("scanners that hold a file for a while are waited for, and the path is not empty meanwhile", () => {
    // Each operation is refused so many times, whatever it is and whichever file it is for.
    for (const times of [1, 3, 7]) {
      const { disk, swap, waits } = world(start);
      const refused = new Map<string, number>();
      const emptyWaits: number[] = [];
      disk.isRefused = (operation, path) => {
        // Clearing away is not waited for.
        if (operation === "remove") return false;
        const count = (refused.get(path) ?? 0) + 1;
        refused.set(path, count);
        return count <= times;
      };
      const watched = windowsSwap(disk, {
        sleep: (waitMs) => {
          waits.push(waitMs);
          if (!disk.exists(PATH)) emptyWaits.push(waitMs);
        },
        leftoverPath: () => String.raw`C:\Apps\.App.exe.update.0`,
      });
      install({ disk, swap: watched, waits });
      expect([disk.at(PATH), disk.at(PREVIOUS)]).toEqual(["three", "two"]);
      expect(waits.length).toBeGreaterThanOrEqual(times);
      expect(emptyWaits).toEqual([]);
      expect(swap.leavesFiles).toBe(true);
    }
  });

  test("a file that is never let go of leaves the old version in place, after some ten seconds", () => {
    for (const held of [NEW, PATH]) {
      const { disk, swap, waits } = world(start);
      disk.isRefused = (_operation, path) => path === held;
      swap.keep(PATH, PREVIOUS);
      expect(() => swap.replace(NEW, PATH, PREVIOUS)).toThrow("EBUSY");
      expect([disk.at(PATH), disk.at(NEW)]).toEqual(["two", "three"]);
      const waitedMs = waits.reduce((sum, waitMs) => sum + waitMs, 0);
      expect(waitedMs).toBeGreaterThan(5_000);
      expect(waitedMs).toBeLessThan(15_000);
    }
  });
});

test("a new file that a scanner takes in the very moment in between: the old one goes back first", () => {
  const { disk, swap, waits } = world();
  let hits = 0;
  disk.isRefused = (_operation, path) => path === NEW && !disk.exists(PATH) && ++hits <= 2;
  install({ disk, swap, waits });
  expect([disk.at(PATH), disk.at(PREVIOUS), hits]).toEqual(["three", "two", 3]);
  expect(waits.length).toBe(2);
});

test("any other error is not waited for", () => {
  const { disk, swap, waits } = world();
  disk.files.delete(NEW.toLowerCase());
  expect(() => install({ disk, swap, waits })).toThrow("ENOENT");
  expect([disk.at(PATH), waits.length]).toEqual(["two", 0]);
});

test("a second update without a restart in between keeps the version that runs", () => {
  const { disk, swap, waits } = world();
  install({ disk, swap, waits });
  disk.add(NEW, "four");
  // apply.ts sees that the rollback copy is the version that runs, and leaves out `keep`.
  swap.replace(NEW, PATH, PREVIOUS);
  expect([disk.at(PATH), disk.at(PREVIOUS)]).toEqual(["four", "two"]);
  expect([...disk.files.values()].some(({ content }) => content === "three")).toBe(false);
});

describe("going back", () => {
  test("works while the new version runs", () => {
    const { disk, swap, waits } = world();
    install({ disk, swap, waits });
    disk.add(PATH, "three", true);
    swap.putBack(PREVIOUS, PATH);
    expect(disk.at(PATH)).toBe("two");
    expect(disk.exists(PREVIOUS)).toBe(false);
    expect(disk.files.size).toBe(2);
  });

  test("killed before any operation, a whole version is there, at the latest after recovery", () => {
    for (let kill = 1; ; kill++) {
      const { disk, swap, waits } = world();
      install({ disk, swap, waits });
      disk.add(PATH, "three", true);
      disk.killBefore = disk.operations + kill;
      try {
        swap.putBack(PREVIOUS, PATH);
        break;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
      disk.reboot();
      swap.recover(PREVIOUS, PATH);
      expect(["two", "three"]).toContain(disk.at(PATH) ?? "");
      expect(kill).toBeLessThan(OPERATIONS_MAX);
    }
  });
});

test("recovery leaves alone what is there, and does not invent what is not", () => {
  const { disk, swap } = world({ previous: "one" });
  expect(swap.recover(PREVIOUS, PATH)).toBe(false);
  expect(disk.at(PATH)).toBe("two");
  disk.files.clear();
  expect(swap.recover(PREVIOUS, PATH)).toBe(false);
  expect(disk.files.size).toBe(0);
});

test("on FAT, which has no second names, an update needs none", () => {
  const { disk, swap, waits } = world({ previous: "one" });
  disk.hasLinks = false;
  install({ disk, swap, waits });
  expect([disk.at(PATH), disk.at(PREVIOUS)]).toEqual(["three", "two"]);
});

test("names differ in more than case", () => {
  const { disk, swap } = world();
  swap.keep(PATH.toUpperCase(), PREVIOUS.toLowerCase());
  swap.replace(NEW, PATH.toUpperCase(), PREVIOUS.toLowerCase());
  expect([disk.at(PATH), disk.at(PREVIOUS)]).toEqual(["three", "two"]);
});

test("the way of Unix would not work there: the file of a running program is not renamed over", () => {
  const { disk } = world();
  const posix = posixSwap(disk);
  posix.keep(PATH, PREVIOUS);
  expect(() => posix.replace(NEW, PATH, PREVIOUS)).toThrow("EPERM");
});
