import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../../src/core/bytes.ts";
import { checkReplaceable, replaceFile } from "../../src/fs/replace-file.ts";
import { createBeside, discard, isTemporaryOf, writeAll } from "../../src/fs/temporary-file.ts";

let directory = "";
let path = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  path = join(directory, "my app ü");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const put = (text: string) => (fd: number) => writeAll(fd, utf8(text), 0);

function fresh(mode = 0o755): void {
  rmSync(path, { force: true });
  writeFileSync(path, "old");
  chmodSync(path, mode);
}

const isRoot = process.getuid?.() === 0;

describe("replacing", () => {
  test("gives a new file with the old mode, and leaves nothing beside it", () => {
    fresh(0o741);
    const before = statSync(path);
    expect(replaceFile(path, (fd) => (put("new")(fd), 7))).toBe(7);
    const after = statSync(path);
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(after.mode).toBe(before.mode);
    expect(after.ino).not.toBe(before.ino);
    expect(readdirSync(directory)).toEqual(["my app ü"]);
  });

  test.skipIf(!isRoot)("keeps owner and group", () => {
    fresh();
    Bun.spawnSync(["chown", "12345:23456", path]);
    replaceFile(path, put("new"));
    expect(statSync(path)).toMatchObject({ uid: 12345, gid: 23456 });
  });

  test("follows a symbolic link, which stays one; another hard link keeps the old content", () => {
    fresh();
    const link = join(directory, "link");
    const twin = join(directory, "twin");
    symlinkSync(path, link);
    linkSync(path, twin);
    replaceFile(link, put("new"));
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(readFileSync(twin, "utf8")).toBe("old");
    rmSync(link);
    rmSync(twin);
  });

  test("leaves the file as it was, and nothing beside it, when writing fails", () => {
    fresh();
    const before = statSync(path);
    const failing = (fd: number): void => {
      put("half")(fd);
      throw new Error("stopped");
    };
    expect(() => replaceFile(path, failing)).toThrow("stopped");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(statSync(path).ino).toBe(before.ino);
    expect(readdirSync(directory)).toEqual(["my app ü"]);
  });

  test("the old content is at the path until all of the new one is there", () => {
    fresh();
    replaceFile(path, (fd) => {
      put("new")(fd);
      expect(readFileSync(path, "utf8")).toBe("old");
    });
    expect(readFileSync(path, "utf8")).toBe("new");
  });
});

describe("refuses", () => {
  test("a directory, a device, and what does not exist", () => {
    const folder = join(directory, "folder");
    mkdirSync(folder);
    expect(() => checkReplaceable(folder)).toThrow("is not a file");
    expect(() => checkReplaceable("/dev/null")).toThrow("is not a file");
    expect(() => checkReplaceable(join(directory, "gone"))).toThrow("there is no file at");
    rmSync(folder, { recursive: true });
  });

  test("a file that is marked read-only, also for root", () => {
    fresh(0o555);
    expect(() => replaceFile(path, put("new"))).toThrow("not writable");
    expect(readFileSync(path, "utf8")).toBe("old");
    chmodSync(path, 0o755);
    expect(() => replaceFile(path, put("new"))).not.toThrow();
  });
});

describe("temporary files", () => {
  test("are private, beside the file, and have names that cannot be guessed", () => {
    fresh();
    const a = createBeside(path);
    const b = createBeside(path);
    try {
      expect(a.path).not.toBe(b.path);
      expect(a.path.startsWith(join(directory, "."))).toBe(true);
      expect(statSync(a.path).mode & 0o777).toBe(0o600);
      expect(isTemporaryOf(path, a.path.slice(directory.length + 1))).toBe(true);
      expect(isTemporaryOf(join(directory, "other"), a.path.slice(directory.length + 1))).toBe(
        false,
      );
      expect(isTemporaryOf(path, "my app ü")).toBe(false);
    } finally {
      discard(a);
      discard(b);
    }
    expect(readdirSync(directory)).toEqual(["my app ü"]);
  });

  test("a directory that cannot be written to is named", () => {
    expect(() => createBeside(join(directory, "gone", "app"))).toThrow("no file can be created in");
  });
});
