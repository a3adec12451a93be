import { beforeAll, expect, test } from "bun:test";
import { createRequire } from "node:module";
import * as curve from "../../embed/alias/noise-curve-ed.ts";
import { ready } from "../../embed/alias/sodium.ts";

interface Noise {
  readonly complete: boolean;
  readonly hash: Buffer;
  readonly rx: Buffer;
  readonly tx: Buffer;
  initialise(prologue: Buffer, remoteStatic?: Uint8Array): void;
  send(payload?: Buffer): Buffer;
  recv(message: Buffer): Buffer;
}
type NoiseConstructor = new (
  pattern: string,
  isInitiator: boolean,
  keyPair: ReturnType<typeof curve.generateKeyPair>,
  options: object,
) => Noise;

const require = createRequire(import.meta.url);
const ours = require("../../embed/alias/noise-handshake.cts") as NoiseConstructor;
/** By its path: the name resolves to ours. */
const original = require("../../node_modules/noise-handshake/noise.js") as NoiseConstructor;

const PROLOGUE = Buffer.from("prologue");

beforeAll(() => ready);

/** A handshake as HyperDHT makes them; returns both ends. */
function shake(Initiator: NoiseConstructor, Responder: NoiseConstructor): [Noise, Noise] {
  const server = curve.generateKeyPair();
  const a = new Initiator("IK", true, curve.generateKeyPair(), { curve });
  const b = new Responder("IK", false, server, { curve });
  a.initialise(PROLOGUE, server.publicKey);
  b.initialise(PROLOGUE);
  expect(b.recv(a.send(Buffer.from("hello")))).toEqual(Buffer.from("hello"));
  expect(a.recv(b.send(Buffer.from("there")))).toEqual(Buffer.from("there"));
  return [a, b];
}

test("each end agrees with the original about every message and every key", () => {
  for (const [one, other] of [
    [ours, original],
    [original, ours],
    [ours, ours],
  ] as const) {
    const [a, b] = shake(one, other);
    expect(a.complete && b.complete).toBe(true);
    for (const key of [a.rx, a.tx, a.hash]) expect(key.some((byte) => byte !== 0)).toBe(true);
    expect(a.rx.toString("hex")).toBe(b.tx.toString("hex"));
    expect(a.tx.toString("hex")).toBe(b.rx.toString("hex"));
    expect(a.hash.toString("hex")).toBe(b.hash.toString("hex"));
    expect([a.rx.byteLength, a.tx.byteLength]).toEqual([32, 32]);
  }
});

test("a message that was changed on the way is refused", () => {
  const server = curve.generateKeyPair();
  const a = new ours("IK", true, curve.generateKeyPair(), { curve });
  a.initialise(PROLOGUE, server.publicKey);
  const message = a.send();
  for (let at = 0; at < message.byteLength; at += 7) {
    const b = new ours("IK", false, server, { curve });
    b.initialise(PROLOGUE);
    const changed = Buffer.from(message);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => b.recv(changed)).toThrow();
  }
});

test("it is what HyperDHT gets", () => {
  expect(require("noise-handshake")).toBe(ours);
});
