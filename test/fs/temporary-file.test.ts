import { expect, test } from "bun:test";
import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createBeside, temporaryPath, type Randomness } from "../../src/fs/temporary-file.ts";
import { withDirectory } from "../helpers/executable.ts";

/** Names in the order in which they are tried. */
function countingUp(): Randomness {
  let count = 0;
  return (sizeBytes) => Buffer.alloc(sizeBytes, ++count);
}

test("follows and overwrites nothing that lies where the file was to go (F8)", async () => {
  await withDirectory((directory) => {
    const app = join(directory, "app");
    const foresee = countingUp();
    const [file, link, dangling, pipe, folder] = Array.from({ length: 5 }, () =>
      temporaryPath(app, foresee),
    );
    if (!file || !link || !dangling || !pipe || !folder) throw new Error("too few names");
    const victim = join(directory, "victim");
    writeFileSync(victim, "precious");
    writeFileSync(file, "planted");
    symlinkSync(victim, link);
    symlinkSync(join(directory, "not there"), dangling);
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    mkdirSync(folder);
    const made = createBeside(app, countingUp());
    try {
      expect(made.path).toBe(temporaryPath(app, () => Buffer.alloc(8, 6)));
      const stats = fstatSync(made.fd);
      expect([stats.isFile(), stats.size, stats.mode & 0o777]).toEqual([true, 0, 0o600]);
    } finally {
      closeSync(made.fd);
    }
    expect(readFileSync(file, "utf8")).toBe("planted");
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(lstatSync(dangling).isSymbolicLink()).toBe(true);
  });
});

test("gives up when every name is taken, which no chance brings about", async () => {
  await withDirectory((directory) => {
    const app = join(directory, "app");
    const same: Randomness = (sizeBytes) => Buffer.alloc(sizeBytes);
    writeFileSync(temporaryPath(app, same), "");
    expect(() => createBeside(app, same)).toThrow("no file can be created");
  });
});
