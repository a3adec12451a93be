import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { FrameGate } from "../../src/udx/framing.ts";

function frame(length: number): Buffer {
  const bytes = Buffer.alloc(3 + length, 7);
  bytes.writeUIntLE(length, 0, 3);
  return bytes;
}

test("9.2.52, 9.2.54: joins the pieces of one frame into one chunk", () => {
  const gate = new FrameGate();
  const bytes = frame(10);
  expect(gate.push(bytes.subarray(0, 5))).toBeUndefined();
  expect(gate.push(bytes.subarray(5, 8))).toBeUndefined();
  expect(gate.push(bytes.subarray(8))?.equals(bytes)).toBe(true);
  expect(gate.push(frame(2))?.length).toBe(5);
});

test("9.2.55: bytes beyond the frame turn the mode off and lose nothing", () => {
  const gate = new FrameGate();
  expect(gate.push(Buffer.concat([frame(2), Buffer.from("tail")]))?.length).toBe(9);
  expect(gate.push(Buffer.from("x"))?.toString()).toBe("x");
});

test("9.2.53: a long frame is handed over in parts", () => {
  const gate = new FrameGate();
  const bytes = frame(200_000);
  let received = 0;
  let chunks = 0;
  for (let at = 0; at < bytes.length; at += 1200) {
    const chunk = gate.push(bytes.subarray(at, at + 1200));
    if (chunk === undefined) continue;
    received += chunk.length;
    chunks++;
  }
  expect(received).toBe(bytes.length);
  expect(chunks).toBeLessThan(6);
});

test("holds back, but never loses or reorders, a byte", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 40 }), (pieces) => {
      const gate = new FrameGate();
      const out: Buffer[] = [];
      for (const piece of pieces) {
        const chunk = gate.push(Buffer.from(piece));
        if (chunk !== undefined) out.push(chunk);
      }
      const rest = gate.flush();
      if (rest !== undefined) out.push(rest);
      expect(Buffer.concat(out).equals(Buffer.concat(pieces))).toBe(true);
    }),
  );
});
