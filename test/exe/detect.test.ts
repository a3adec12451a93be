import { describe, expect, test } from "bun:test";
import { memorySource } from "../../src/core/source.ts";
import { detectMachine, tryDetectMachine } from "../../src/exe/detect.ts";
import { isForTarget, targetOf } from "../../src/exe/machine.ts";
import { withFile } from "../../src/fs/file-source.ts";
import {
  ELF_ARM64,
  ELF_X64,
  MUSL,
  tinyElf,
  tinyMacho,
  tinyPe,
} from "../helpers/tiny-executables.ts";

const detect = (bytes: Uint8Array): string | undefined => {
  const machine = tryDetectMachine(memorySource(bytes));
  return machine && targetOf(machine);
};

test("tells the machine from the header", () => {
  expect(detect(tinyElf())).toBe("linux-x64");
  expect(detect(tinyElf(ELF_X64, MUSL))).toBe("linux-x64-musl");
  expect(detect(tinyElf(ELF_ARM64, "/lib/ld-linux-aarch64.so.1"))).toBe("linux-arm64");
  expect(detect(tinyElf(ELF_ARM64, "/lib/ld-musl-aarch64.so.1"))).toBe("linux-arm64-musl");
  expect(detect(tinyMacho())).toBe("darwin-arm64");
  expect(detect(tinyMacho(0x0100_0007))).toBe("darwin-x64");
  expect(detect(tinyPe())).toBe("windows-x64");
  expect(detect(tinyPe(0xaa64))).toBe("windows-arm64");
});

test("tells what Bun itself is for", () => {
  const machine = withFile(process.execPath, detectMachine);
  expect(machine.arch).toBe(process.arch === "arm64" ? "arm64" : "x64");
  expect(machine.os).toBe(process.platform === "win32" ? "windows" : (process.platform as "linux"));
});

function patched(bytes: Uint8Array, offset: number, ...values: number[]): Uint8Array {
  const out = bytes.slice();
  out.set(values, offset);
  return out;
}

describe("refuses", () => {
  test.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["one byte", Uint8Array.of(0x7f)],
    ["text", new Uint8Array(4096).fill(0x61)],
    ["32-bit ELF", patched(tinyElf(), 4, 1)],
    ["big-endian ELF", patched(tinyElf(), 5, 2)],
    ["a shared object's relocatable kind", patched(tinyElf(), 16, 1)],
    ["ELF for RISC-V", tinyElf(243)],
    [
      "an ELF whose headers lie beyond 2^53",
      patched(tinyElf(), 32, ...new Uint8Array(8).fill(255)),
    ],
    ["an ELF with program headers of another size", patched(tinyElf(), 54, 32)],
    ["an ELF with 65,535 program headers", patched(tinyElf(), 56, 255, 255)],
    ["an ELF whose interpreter is 4 GiB long", patched(tinyElf(), 120 + 36, 1)],
    ["an ELF that was cut off behind its headers", tinyElf().subarray(0, 1023)],
    ["a Mach-O library", tinyMacho(0x0100_000c, 6)],
    ["a Mach-O for PowerPC", tinyMacho(18)],
    ["a Mach-O whose commands are longer than it", patched(tinyMacho(), 20, 255, 255, 255, 127)],
    ["a DLL", tinyPe(0x8664, 0x2022)],
    ["a PE that is no program", tinyPe(0x8664, 0x0020)],
    ["a PE for x86", tinyPe(0x014c)],
    ["a PE whose header lies outside", patched(tinyPe(), 0x3c, 255, 255, 255, 255)],
    ["a DOS program", patched(tinyPe(), 128, 0)],
  ])("%s", (_what, bytes) => {
    expect(detect(bytes)).toBeUndefined();
    expect(() => detectMachine(memorySource(bytes))).toThrow("not a whole");
  });

  test("every truncation of every header, without reading out of bounds", () => {
    for (const whole of [tinyElf(), tinyElf(ELF_X64, MUSL), tinyMacho(), tinyPe()]) {
      for (let length = 0; length < 256; length++) {
        expect(() => tryDetectMachine(memorySource(whole.subarray(0, length)))).not.toThrow();
      }
    }
  });
});

test("an executable fits its own targets and no others", () => {
  const glibc = detectMachine(memorySource(tinyElf()));
  const musl = detectMachine(memorySource(tinyElf(ELF_X64, MUSL)));
  const fixed = detectMachine(memorySource(tinyElf(ELF_X64, "")));
  expect(isForTarget(glibc, "linux-x64")).toBe(true);
  expect(isForTarget(glibc, "linux-x64-baseline")).toBe(true);
  expect(isForTarget(glibc, "linux-x64-musl")).toBe(false);
  expect(isForTarget(glibc, "linux-arm64")).toBe(false);
  expect(isForTarget(glibc, "windows-x64")).toBe(false);
  expect(isForTarget(musl, "linux-x64-musl-baseline")).toBe(true);
  expect(isForTarget(musl, "linux-x64")).toBe(false);
  expect(isForTarget(fixed, "linux-x64")).toBe(true);
});
