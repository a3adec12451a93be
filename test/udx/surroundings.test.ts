import { describe, expect, test } from "bun:test";
import { UDX } from "../../src/udx/udx.ts";

test("9.2.66: tells IP literals from names", () => {
  const table = [
    ["127.0.0.1", 4],
    ["::1", 6],
    ["0.-1.0.0", 0],
    ["localhost", 0],
    ["fe80::1%lo", 6],
    ["1.2.3", 0],
  ] as const;
  for (const [host, family] of table) {
    expect(UDX.isIP(host)).toBe(family);
    expect(UDX.isIPv4(host)).toBe(family === 4);
    expect(UDX.isIPv6(host)).toBe(family === 6);
  }
});

describe("lookup", () => {
  test("9.1.1, 9.2.63: finds localhost in the family asked for", async () => {
    const udx = new UDX();
    expect(await udx.lookup("localhost", { family: 4 })).toEqual({ host: "127.0.0.1", family: 4 });
    // Not every machine gives its IPv6 loopback that name.
    const six = await udx.lookup("localhost", { family: 6 }).catch((error) => error.code);
    if (typeof six !== "string") expect(six).toEqual({ host: "::1", family: 6 });
    expect(await udx.lookup("::1", { family: 6 })).toEqual({ host: "::1", family: 6 });
  });

  test("9.1.1, 9.2.63: rejects a name that cannot exist", async () => {
    const failure = await new UDX().lookup("this.name.is.invalid").catch((error) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(failure.code).toBeString();
  });
});

describe("network interfaces", () => {
  test("9.2.64: lists at least the loopback with all four fields", () => {
    const list = new UDX().networkInterfaces();
    expect(list.find(({ host }) => host === "127.0.0.1")).toMatchObject({
      family: 4,
      internal: true,
    });
    for (const { name, host, family } of list) {
      expect(name).not.toBe("");
      expect(UDX.isIP(host)).toBe(family);
      expect(host).not.toContain("%");
    }
  });

  test("9.2.65: a watcher survives being told everything twice and closes once", async () => {
    const udx = new UDX();
    const watcher = udx.watchNetworkInterfaces();
    let closed = 0;
    watcher.on("close", () => closed++);
    expect([...watcher]).toEqual(udx.networkInterfaces());
    watcher.watch().watch().unwatch().unwatch();
    await Promise.all([watcher.destroy(), watcher.destroy()]);
    expect(closed).toBe(1);
  });
});
