/** Where an executable may be installed and how it may be started. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setUpE2e } from "../helpers/e2e-set-up.ts";
import { digestOf } from "../helpers/installed.ts";

const TIMEOUT_MS = 60_000;
const { world } = setUpE2e();

test(
  "a link to a path with spaces and umlauts, from another directory, without TMPDIR or HOME",
  async () => {
    const next = await world.release({ version: "1.0.1", build: "two" });
    const path = world.copy(
      await world.release({ version: "1.0.0" }),
      world.folder("mit Leerzeichen & ünïcode 日本"),
      "äpp 1",
    );
    const link = join(world.folder("bin"), "app link");
    symlinkSync(path, link);
    await world.run(next);
    const app = await world.run(link, {
      cwd: world.folder("elsewhere"),
      env: { TMPDIR: "/nonexistent", HOME: "/nonexistent" },
    });
    expect(await app.event("start", 2)).toMatchObject({ version: "1.0.1", pid: app.pid });
    expect(digestOf(path)).toBe(digestOf(next));
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readlinkSync(link)).toBe(path);
    // Nothing of ours outside the executable's own directory.
    expect(readdirSync(dirname(link))).toEqual([basename(link)]);
    expect(readdirSync(join(world.directory, "elsewhere"))).toEqual([]);
    expect(readdirSync(dirname(path)).sort()).toEqual([
      ".äpp 1.rustpatcher-contacts",
      ".äpp 1.rustpatcher-lock",
      ".äpp 1.rustpatcher-pending",
      ".äpp 1.rustpatcher-previous",
      ".äpp 1.rustpatcher-state",
      ".äpp 1.rustpatcher-status",
      "äpp 1",
    ]);
  },
  TIMEOUT_MS,
);

test(
  "an unwritable TMPDIR is neither used nor missed",
  async () => {
    const temporary = mkdtempSync(join(tmpdir(), "rustpatcher-tmpdir-"));
    chmodSync(temporary, 0o555);
    try {
      await world.run(await world.release({ version: "1.0.1", build: "two" }));
      const app = await world.run(await world.release({ version: "1.0.0" }), {
        env: { TMPDIR: temporary },
      });
      expect(await app.event("start", 2)).toMatchObject({ version: "1.0.1" });
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  },
  TIMEOUT_MS,
);

test(
  "a read-only directory: one warning, no download, no restart, and the app runs on",
  async () => {
    await world.run(await world.release({ version: "1.0.1", build: "two" }));
    const path = await world.release({ version: "1.0.0" });
    const digest = digestOf(path);
    chmodSync(dirname(path), 0o555);
    const app = await world.run(path, { env: { RUSTPATCHER_LOG: "warn" } });
    expect(await app.event("error")).toMatchObject({ code: "DIRECTORY_READ_ONLY" });
    await app.event("checking", app.all("checking").length + 3);
    expect(app.all("progress")).toEqual([]);
    expect(app.all("start")).toHaveLength(1);
    expect(app.log).toHaveLength(1);
    expect(app.log[0]).toContain("nothing can be replaced in its directory");
    expect(digestOf(path)).toBe(digest);
    expect(readdirSync(dirname(path))).toEqual(["app"]);
    chmodSync(dirname(path), 0o755);
    // The next attempt finds it writable.
    expect(await app.event("start", 2)).toMatchObject({ version: "1.0.1" });
  },
  TIMEOUT_MS,
);
