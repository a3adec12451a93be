import { leftoverPath } from "../fs/own-files.ts";
import { namesOf, type FileSystemNames } from "../fs/names.ts";
import { posixSwap, windowsSwap, type Swap } from "../fs/swap.ts";

/** What this system allows with the file of a program that runs. */
export function systemSwap(fs: FileSystemNames, executable: string): Swap {
  const names = namesOf(fs);
  if (process.platform !== "win32") return posixSwap(names);
  return windowsSwap(names, {
    sleep: (waitMs) => Bun.sleepSync(waitMs),
    leftoverPath: () => leftoverPath(executable),
  });
}
