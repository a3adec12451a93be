import { expect, test } from "bun:test";
import { cleanMappings } from "../../embed/resident-code.ts";

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
