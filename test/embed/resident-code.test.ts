import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { cleanMappings, forgetCompiled } from "../../embed/resident-code.ts";
import { until } from "../helpers/swarm-world.ts";

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
