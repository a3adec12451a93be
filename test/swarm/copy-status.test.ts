/** What a copy tells of itself to whoever asks, and what is made of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { encodeCbor } from "../../src/core/cbor.ts";
import { toHex } from "../../src/core/bytes.ts";
import {
  decodeStatus,
  encodeStatus,
  STATUS_MAX_BYTES,
  type CopyStatus,
} from "../../src/swarm/copy-status.ts";
import { SwarmError } from "../../src/swarm/error.ts";
import { refusalAfter } from "../../embed/refusal.ts";
import { SwarmWorld } from "../helpers/swarm-world.ts";

describe("coding", () => {
  test("bytes by hand, both ways", () => {
    const status = { servedBytes: 5 * 1024, clients: 2, refusal: "BUSY" };
    // array 3 · 5 KiB · 2 · text of 4: 83 05 02 64 42555359
    expect(toHex(encodeStatus(status))).toBe("8305026442555359");
    expect(decodeStatus(encodeStatus(status))).toEqual(status);
    const none = { servedBytes: 0, clients: 0, refusal: undefined };
    expect(decodeStatus(encodeStatus(none))).toEqual(none);
  });

  test("fits its limit, whatever the numbers", () => {
    const most = encodeStatus({ servedBytes: 2 ** 50, clients: 32, refusal: "X".repeat(32) });
    expect(most.length).toBeLessThanOrEqual(STATUS_MAX_BYTES);
    expect(decodeStatus(most).servedBytes).toBe(0xffff_ffff * 1024);
  });

  test.each<[string, Uint8Array]>([
    ["not CBOR", Uint8Array.of(0xff)],
    ["not an array", encodeCbor(1)],
    ["too short", encodeCbor([1, 2])],
    ["too long", encodeCbor([1, 2, "", 3])],
    ["more clients than anybody may have", encodeCbor([1, 33, ""])],
    ["text for a number", encodeCbor(["1", 2, ""])],
    ["markup for a code", encodeCbor([1, 2, "<b>X</b>"])],
    ["a terminal's escape for a code", encodeCbor([1, 2, "\u001b[2J"])],
    ["a long code", encodeCbor([1, 2, "X".repeat(33)])],
  ])("refuses %s", (_what, bytes) => {
    expect(() => decodeStatus(bytes)).toThrow(SwarmError);
  });

  test("any bytes are read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: STATUS_MAX_BYTES }), (bytes) => {
        try {
          decodeStatus(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SwarmError);
        }
      }),
    );
  });
});

test("a refusal is the last trouble that does not pass by itself, until a release is taken", () => {
  const release = { version: "1.0.1", sizeBytes: 1, publishedS: 1, critical: false };
  const error = (code: string) => ({ name: "error", error: { code, message: "" } }) as const;
  expect(refusalAfter(error("DIRECTORY_UNSAFE"), undefined)).toBe("DIRECTORY_UNSAFE");
  expect(refusalAfter(error("NO_PROVIDER"), "REFUSED")).toBe("REFUSED");
  expect(refusalAfter({ name: "checking" }, "REFUSED")).toBe("REFUSED");
  expect(refusalAfter({ name: "applied", release }, "REFUSED")).toBeUndefined();
});

describe("over the network", () => {
  let world: SwarmWorld;
  beforeAll(async () => {
    world = await SwarmWorld.create();
  });
  afterAll(() => world.destroy());

  async function client(status?: () => CopyStatus) {
    const release = world.release({ version: "1.0.1", blocks: 4 });
    const { publicKey } = await world.provider([release], status === undefined ? {} : { status });
    return { raw: await world.rawClient(publicKey), release };
  }

  test("a copy answers with what it has served, and why it stays behind", async () => {
    const told = { servedBytes: 2048, clients: 1, refusal: "DIRECTORY_UNSAFE" };
    const { raw } = await client(() => told);
    await raw.enter();
    raw.send({ type: "status", id: 2 });
    const { id, bytes } = await raw.answer("status");
    expect(id).toBe(2);
    expect(decodeStatus(bytes)).toEqual(told);
  });

  test("one that opted out tells nothing, and is no less a provider", async () => {
    const { raw, release } = await client();
    await raw.enter();
    raw.send({ type: "status", id: 1 });
    expect(await raw.answer("error")).toMatchObject({ id: 1, reason: "unavailable" });
    raw.send({ type: "region", id: 2, root: release.table.root });
    await raw.answer("region");
  });

  test("nobody is told before the hello", async () => {
    const { raw } = await client(() => ({ servedBytes: 0, clients: 0, refusal: undefined }));
    raw.send({ type: "status", id: 1 });
    await raw.dropped;
    expect(raw.frames).toEqual([]);
  });
});
