/** What a new executable has of the old one, beside its bytes (attacks F4, F6, F7). */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, closeSync, linkSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { attributesOf, giveAttribute } from "../../src/fs/attributes.ts";
import { digestOf } from "../helpers/installed.ts";
import { TwoVersions } from "../helpers/two-versions.ts";

const isRoot = process.geteuid?.() === 0;
const GROUP = 12_345;
/** posix_acl_xattr.h: version 2; owner rwx, user 1 r-x, group r-x, mask r-x, others none. */
const ACCESS_LIST = Uint8Array.fromHex(
  "02000000" +
    "01000700ffffffff" +
    "0200050001000000" +
    "04000500ffffffff" +
    "10000500ffffffff" +
    "20000000ffffffff",
);
let two: TwoVersions;

beforeEach(() => {
  two = new TwoVersions();
});
afterEach(() => two.remove());

function give(name: string, value: Uint8Array): void {
  const fd = openSync(two.app.path, "r");
  expect(giveAttribute(fd, { name, value })).toBe(true);
  closeSync(fd);
}

function valueOf(name: string): string | undefined {
  return attributesOf(two.app.path)
    .find((one) => one.name === name)
    ?.value.toHex();
}

async function updated(): Promise<void> {
  expect(await two.install()).toBe("");
  expect(two.version).toBe("new");
}

test("a read-only mode for some is kept (F7)", async () => {
  chmodSync(two.app.path, 0o550);
  give("user.note", new Uint8Array([1]));
  await updated();
  expect(statSync(two.app.path).mode & 0o7777).toBe(0o550);
  expect(valueOf("user.note")).toBe("01");
});

test("notes are kept, empty ones as well (F7)", async () => {
  give("user.origin", new TextEncoder().encode("https://example.org"));
  give("user.empty", new Uint8Array());
  await updated();
  expect(valueOf("user.origin")).toBe(new TextEncoder().encode("https://example.org").toHex());
  expect(valueOf("user.empty")).toBe("");
});

test("an access list is kept (F7)", async () => {
  give("system.posix_acl_access", ACCESS_LIST);
  const { mode } = statSync(two.app.path);
  await updated();
  expect(valueOf("system.posix_acl_access")).toBe(ACCESS_LIST.toHex());
  expect(statSync(two.app.path).mode).toBe(mode);
});

describe.skipIf(!isRoot)("as root", () => {
  test("the group is kept (F7)", async () => {
    chownSync(two.app.path, 0, GROUP);
    chmodSync(two.app.path, 0o750);
    await updated();
    expect(statSync(two.app.path)).toMatchObject({ uid: 0, gid: GROUP });
    expect(statSync(two.app.path).mode & 0o7777).toBe(0o750);
  });

  test("a label is kept (F7)", async () => {
    const label = new TextEncoder().encode("system_u:object_r:bin_t:s0\0");
    give("security.selinux", label);
    await updated();
    expect(valueOf("security.selinux")).toBe(label.toHex());
  });

  test("capabilities are not given to the new file: there is no update (F6)", async () => {
    // vfs_cap_data, version 2: cap_net_bind_service, effective and permitted.
    const capability = Uint8Array.fromHex("0100000200040000000000000000000000000000");
    give("security.capability", capability);
    expect(await two.install()).toBe("EXECUTABLE_UNSAFE");
    expect(two.version).toBe("old");
    expect(valueOf("security.capability")).toBe(capability.toHex());
  });
});

test("another name of the executable keeps the old version, and is counted (F4)", async () => {
  const { installation, directory } = two.app;
  expect(installation.otherNames()).toBe(0);
  const other = join(directory, "other");
  linkSync(two.app.path, other);
  expect(installation.otherNames()).toBe(1);
  // Our own rollback copy is none.
  linkSync(two.app.path, installation.previousPath);
  expect(installation.otherNames()).toBe(1);
  await updated();
  expect(two.named(digestOf(other))).toBe("old");
});
