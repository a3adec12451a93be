import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { cleanMappings, forgetCompiled, keepCodeReleased } from "../../embed/resident-code.ts";
import { FakeClock } from "../helpers/clock.ts";
import { until } from "../helpers/swarm-world.ts";

const RESIDENT_CODE = join(import.meta.dir, "../../embed/resident-code.ts");

const mapping = (head: string, dirtyKb: number): string =>
  `${head}\nRss: 10 kB\nPrivate_Clean: 10 kB\nPrivate_Dirty: ${dirtyKb} kB\nVmFlags: rd ex mr mw me\n`;

test("gives back nothing but clean, read-only pages of the executable", () => {
  const smaps = [
    mapping("00200000-01a39000 r--p 00000000 fe:00 100    /opt/my app", 0),
    mapping("01a40000-0684a000 r-xp 01838000 fe:00 100    /opt/my app", 0),
    // Changed by this process: reading the file again would lose the change.
    mapping("0684a000-06867000 r-xp 06642000 fe:00 100    /opt/my app", 4),
    mapping("06867000-06aea000 rw-p 0665e000 fe:00 100    /opt/my app", 0),
    mapping("7f2406119000-7f240626f000 r-xp 00026000 fe:00 200    /usr/lib/libc.so.6", 0),
    mapping("7f23c5dae000-7f2405dae000 r-xp 00000000 00:00 0", 0),
  ].join("");
  expect(cleanMappings(smaps, "/opt/my app")).toEqual([
    { start: 0x200000n, end: 0x1a39000n },
    { start: 0x1a40000n, end: 0x684a000n },
  ]);
  expect(cleanMappings("", "/opt/my app")).toEqual([]);
});

test("forgets what was compiled, and what runs again is compiled again", async () => {
  const count = 1_000;
  const source = Array.from({ length: count }, (_, nth) => `(a) => a + ${nth}`).join(",");
  const url = `data:text/javascript,${encodeURIComponent(`export const functions = [${source}];`)}`;
  const { functions } = (await import(url)) as { functions: ((a: number) => number)[] };
  const run = (): number[] => functions.map((add) => add(1));
  const before = run();
  const blocks = (): number => heapStats().objectTypeCounts["FunctionCodeBlock"] ?? 0;
  const compiled = blocks();
  expect(compiled).toBeGreaterThan(count);
  forgetCompiled();
  await until(() => blocks() < compiled - count / 2, "the code to be forgotten");
  expect(run()).toEqual(before);
});

test("forgets after the start, and then when it has grown since; releases every five", () => {
  const clock = new FakeClock();
  let megabytes = 30;
  let afterMb = 20;
  let forgotten = 0;
  let released = 0;
  keepCodeReleased(clock, {
    anonymousBytes: () => megabytes * 1_000_000,
    forget: () => {
      forgotten++;
      clock.after(500, () => (megabytes = afterMb));
    },
    release: () => released++,
  });
  const nextMinute = (grownToMb: number): readonly number[] => {
    megabytes = grownToMb;
    clock.advance(60_000);
    return [forgotten, released];
  };
  expect([forgotten, released]).toEqual([0, 0]);
  clock.advance(10_500);
  expect([forgotten, released]).toEqual([1, 1]);
  expect(nextMinute(24)).toEqual([1, 13]);
  expect(nextMinute(25)).toEqual([2, 25]);
  // It is not what was least long ago that counts: an app that has grown is left alone.
  afterMb = 200;
  expect(nextMinute(210)).toEqual([3, 37]);
  expect(nextMinute(203)).toEqual([3, 49]);
  // What the app gives back is not lent to us.
  expect(nextMinute(50)).toEqual([3, 61]);
  afterMb = 49;
  expect(nextMinute(55)).toEqual([4, 73]);
});

// In a process of its own: here it may be given the memory that the tests before left behind, and grow by nothing.
test("knows what is anonymous in a process", () => {
  const script = `
    const { anonymousBytes } = await import(${JSON.stringify(RESIDENT_CODE)});
    const before = anonymousBytes();
    const kept = new Uint8Array(64_000_000).fill(1);
    console.log(anonymousBytes() - before, kept.length);
  `;
  const { exitCode, stdout } = Bun.spawnSync([process.execPath, "-e", script], {
    stderr: "inherit",
    timeout: 10_000,
  });
  expect(exitCode).toBe(0);
  const [grownBytes = 0, keptBytes] = stdout.toString().split(" ").map(Number);
  expect(grownBytes).toBeGreaterThan(50_000_000);
  expect(grownBytes).toBeLessThan(80_000_000);
  expect(keptBytes).toBe(64_000_000);
});
