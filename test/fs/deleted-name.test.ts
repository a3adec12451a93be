import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { withoutDeletedSuffix } from "../../src/fs/deleted-name.ts";
import { withDirectory } from "../helpers/executable.ts";

test("the name of a replaced file is the one it had, and that of a file which is called so stays", () =>
  withDirectory((directory) => {
    const path = join(directory, "app");
    const odd = `${path} (deleted)`;
    expect([path, odd].map(withoutDeletedSuffix)).toEqual([path, path]);
    writeFileSync(odd, "program");
    expect(withoutDeletedSuffix(odd)).toBe(odd);
  }));
