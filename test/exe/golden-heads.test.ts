/** Heads of executables by Bun 1.4.5, cut off, of each format and machine; and what is made of them by chance. */
import { describe, expect, test } from "bun:test";
import { array, assert, integer, nat, property, tuple } from "fast-check";
import { concat, equal } from "../../src/core/bytes.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { memorySource, type ByteSource } from "../../src/core/source.ts";
import { CoreError } from "../../src/core/core-error.ts";
import type { Target } from "../../src/core/target.ts";
import { detectMachine, tryDetectMachine } from "../../src/exe/detect.ts";
import { ExeError } from "../../src/exe/error.ts";
import { findRegion } from "../../src/exe/find-region.ts";
import { isForTarget, targetOf } from "../../src/exe/machine.ts";
import { checkCodeSignature, tryCodeSignature, tryNormalForm } from "../../src/exe/normal-form.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { inspectExecutable } from "../../src/release/inspect.ts";
import { signedImage, tinyElf, tinyMacho, tinyStream } from "../helpers/tiny-executables.ts";

/** What was cut off behind each head; the last two as Bun writes them, before `build`. */
const HEADS: readonly (readonly [Target, number])[] = [
  ["linux-x64", 110_008_496],
  ["linux-x64-musl", 103_601_688],
  ["linux-arm64", 110_087_160],
  ["linux-arm64-musl", 102_505_688],
  ["darwin-x64", 98_251_056],
  ["darwin-arm64", 89_160_066],
  ["windows-x64", 116_169_728],
  ["windows-arm64", 101_078_528],
];
/** The offset of the header, and what it has before it says its machine. */
const PE_HEAD_BYTES = 64;
const RUNS = 1_000;

const headOf = (target: string): Promise<Uint8Array> =>
  Bun.file(`${import.meta.dir}/fixtures/${target}.bin`).bytes();

/** The head, and zeros up to a size that nobody wants to hold. */
function sparse(head: Uint8Array, sizeBytes: number): ByteSource {
  return {
    sizeBytes,
    read(offset, count) {
      if (offset < 0 || count < 0 || offset + count > sizeBytes) throw new RangeError("outside");
      const out = new Uint8Array(count);
      out.set(head.subarray(Math.min(offset, head.length), Math.min(offset + count, head.length)));
      return out;
    },
  };
}

/** Bytes to put in some places. */
const changes = (sizeBytes: number) =>
  array(tuple(nat(sizeBytes - 1), integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 });

function changed(head: Uint8Array, at: readonly (readonly [number, number])[]): Uint8Array {
  const out = head.slice();
  for (const [offset, value] of at) out[offset] = value;
  return out;
}

/** Only an error that says what is wrong. */
function refusalOf(act: () => unknown): Error | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof ExeError || error instanceof CoreError) return error;
    throw error;
  }
}

describe.each(HEADS)("%s", (target, sizeBytes) => {
  test("is known by its head", async () => {
    const machine = detectMachine(sparse(await headOf(target), sizeBytes));
    expect(targetOf(machine)).toBe(target);
    for (const [other] of HEADS) expect(isForTarget(machine, other)).toBe(other === target);
  });

  test("with other bytes in its head, it is read to an answer or a refusal, and never crashes", async () => {
    const head = await headOf(target);
    assert(
      property(changes(head.length), (at) => {
        const source = sparse(changed(head, at), sizeBytes);
        tryDetectMachine(source);
        tryCodeSignature(source);
        tryNormalForm(source).read(0, 64);
        refusalOf(() => checkCodeSignature(source));
      }),
      { numRuns: RUNS },
    );
  });

  test("cut off anywhere, it is refused", async () => {
    const head = await headOf(target);
    // A head of Windows says nothing of what must follow: there the content root does.
    const isWhole = target.startsWith("windows");
    for (let end = 0; end < head.length; end += 7) {
      const refusal = refusalOf(() => detectMachine(memorySource(head.slice(0, end))));
      if (!isWhole || end < PE_HEAD_BYTES) expect([end, refusal]).toEqual([end, expect.any(Error)]);
    }
  });
});

test("a signed executable of Linux with other bytes in its head is never accepted", () => {
  const seed = generateSeed();
  const owner = publicKeyOf(seed);
  const stream = concat(tinyElf(), tinyStream().subarray(0, 8_000));
  const file = signedImage({ seed, stream, offset: 5_000, record: { target: "linux-x64" } });
  expect(verifyExecutable(memorySource(file), { owner }).kind).toBe("full");
  assert(
    property(changes(1_024), (at) => {
      const other = changed(file, at);
      const refusal = refusalOf(() => verifyExecutable(memorySource(other), { owner }));
      expect(refusal === undefined).toBe(equal(other, file));
    }),
    { numRuns: RUNS / 2 },
  );
});

test("a universal file is refused as one, although each half is signed", () => {
  const seed = generateSeed();
  const half = signedImage({
    seed,
    stream: tinyStream(tinyMacho()),
    record: { target: "darwin-arm64" },
    extension: { target: "darwin-arm64" },
  });
  for (const magic of ["cafebabe", "cafebabf", "bebafeca", "bfbafeca"]) {
    const fat = memorySource(concat(Uint8Array.fromHex(magic), new Uint8Array(60), half, half));
    for (const look of [findRegion, verifyExecutable, inspectExecutable, detectMachine]) {
      expect(() => look(fat)).toThrow("universal (fat)");
    }
  }
});
