import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedPieces } from "../../src/assembly/coded-pieces.ts";

const directory = mkdtempSync(join(tmpdir(), "rustpatcher-coded-"));
const path = join(directory, "app");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const fill = (sizeBytes: number, value: number): Uint8Array =>
  new Uint8Array(sizeBytes).fill(value);

test.skipIf(process.platform === "win32")("keeps pieces in a file that nobody sees", () => {
  const pieces = CodedPieces.beside(path, 1_000);
  if (pieces === undefined) throw new Error("no file");
  expect(readdirSync(directory)).toEqual([]);
  expect(pieces.get({ first: 0, count: 1 })).toBeUndefined();
  pieces.set({ first: 0, count: 1 }, fill(400, 1));
  pieces.set({ first: 1, count: 3 }, fill(500, 2));
  expect(pieces.get({ first: 0, count: 1 })).toEqual(fill(400, 1));
  expect(pieces.get({ first: 1, count: 3 })).toEqual(fill(500, 2));
  expect(pieces.get({ first: 1, count: 2 })).toBeUndefined();
  // The caller's own.
  pieces.get({ first: 0, count: 1 })?.fill(9);
  expect(pieces.get({ first: 0, count: 1 })).toEqual(fill(400, 1));
  pieces.close();
});

test.skipIf(process.platform === "win32")("takes no more than there is room for", () => {
  const pieces = CodedPieces.beside(path, 1_000);
  pieces?.set({ first: 0, count: 1 }, fill(900, 1));
  pieces?.set({ first: 1, count: 1 }, fill(101, 2));
  expect(pieces?.get({ first: 1, count: 1 })).toBeUndefined();
  pieces?.set({ first: 2, count: 1 }, fill(100, 3));
  expect(pieces?.get({ first: 2, count: 1 })).toEqual(fill(100, 3));
  expect(pieces?.get({ first: 0, count: 1 })).toEqual(fill(900, 1));
  pieces?.close();
});

test("is done without where no file can be had", () => {
  expect(CodedPieces.beside(join(directory, "none", "app"), 1_000)).toBeUndefined();
});
