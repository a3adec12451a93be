/**
 * The core against an independent reading of the Rust crate (rustpatcher 0.2, embed.rs and patch.rs): cut
 * everything between the first and the last marker, hash, sign with node:crypto, write.
 */
import { expect, test } from "bun:test";
import nodeCrypto from "node:crypto";
import { asSecretSeed } from "../../src/core/brand.ts";
import { concat, fromHex } from "../../src/core/bytes.ts";
import { generateSeed, publicKeyOf } from "../../src/core/keys.ts";
import { memorySource } from "../../src/core/source.ts";
import { parseVersion } from "../../src/core/version.ts";
import { CORE_BYTES, encodeCore, unsignedCore } from "../../src/exe/region.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { coreImage } from "../helpers/tiny-executables.ts";
import vector from "../vectors/rust-core.json" with { type: "json" };

const MARKER = Buffer.from("1742525553545041544348455242454d42454442424f554e44534217", "hex");
const seed = generateSeed();
const owner = publicKeyOf(seed);

interface RustPatch {
  readonly hash: Buffer;
  readonly size: bigint;
  readonly signature: Buffer;
  readonly version: string;
}

/** `Patch::sign` and `set_embedded_patch_info`. */
function rustSign(file: Buffer): Buffer {
  const [start, end] = [file.indexOf(MARKER), file.lastIndexOf(MARKER) + MARKER.length];
  const rest = Buffer.concat([file.subarray(0, start), file.subarray(end)]);
  const version = file
    .subarray(start + 132, start + 148)
    .toString("latin1")
    .replace(/\0+$/, "");
  const hash = nodeCrypto.createHash("sha512").update(rest).digest().subarray(0, 32);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(rest.length));
  const der = Buffer.concat([fromHex("302e020100300506032b657004220420"), seed]);
  const key = nodeCrypto.createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const signature = nodeCrypto.sign(null, rustMessage({ version, hash, size }), key);
  const out = Buffer.from(file);
  Buffer.concat([hash, size, signature]).copy(out, start + 28);
  return out;
}

/** `Patch::from_self` and `Patch::verify`. */
function rustVerify(file: Buffer): RustPatch {
  const start = file.indexOf(MARKER);
  const end = file.lastIndexOf(MARKER) + MARKER.length;
  if (end - start !== 176) throw new Error("invalid embed section size");
  const rest = Buffer.concat([file.subarray(0, start), file.subarray(end)]);
  const hash = file.subarray(start + 28, start + 60);
  const size = file.subarray(start + 60, start + 68);
  const signature = file.subarray(start + 68, start + 132);
  const version = file
    .subarray(start + 132, start + 148)
    .toString("latin1")
    .replace(/\0+$/, "");
  const spki = Buffer.concat([fromHex("302a300506032b6570032100"), owner]);
  const key = nodeCrypto.createPublicKey({ key: spki, format: "der", type: "spki" });
  if (!nodeCrypto.verify(null, rustMessage({ version, hash, size }), key, signature)) {
    throw new Error("signature");
  }
  const actual = nodeCrypto.createHash("sha512").update(rest).digest().subarray(0, 32);
  if (!actual.equals(hash)) throw new Error("data hash mismatch");
  if (BigInt(rest.length) !== size.readBigUInt64LE()) throw new Error("data size mismatch");
  return { hash, size: size.readBigUInt64LE(), signature, version };
}

function rustMessage(parts: { version: string; hash: Buffer; size: Buffer }): Buffer {
  return nodeCrypto
    .createHash("sha512")
    .update(parts.version)
    .update(parts.hash)
    .update(parts.size)
    .digest();
}

test("what the Rust crate signs, we verify", () => {
  const code = nodeCrypto.randomBytes(300_000);
  const blank = encodeCore(unsignedCore(parseVersion("0.2.1")));
  const file = rustSign(Buffer.from(concat(code.subarray(0, 777), blank, code.subarray(777))));
  const verified = verifyExecutable(memorySource(file), { owner });
  expect(verified.kind).toBe("core");
  expect(verified.core.version?.text).toBe("0.2.1");
  expect(verified.core.sizeBytes).toBe(300_000);
});

test("what we sign, the Rust crate verifies, and the bytes are the same", () => {
  const ours = Buffer.from(coreImage({ seed }));
  const patch = rustVerify(ours);
  expect(patch.version).toBe("1.2.3");
  const unsigned = Buffer.from(ours);
  unsigned.fill(0, unsigned.indexOf(MARKER) + 28, unsigned.indexOf(MARKER) + 132);
  expect(rustSign(unsigned).equals(ours)).toBe(true);
});

test("a core written by the Rust code itself is the one we write, and verifies", () => {
  const content = new Uint8Array(1000).map((_, index) => index * 7);
  const vectorSeed = asSecretSeed(fromHex(vector.seed));
  const version = parseVersion(vector.version);
  const ours = coreImage({
    seed: vectorSeed,
    stream: content,
    offset: vector.offset,
    core: { version },
  });
  expect(ours.subarray(vector.offset, vector.offset + CORE_BYTES).toHex()).toBe(vector.core);
  const { offset } = vector;
  const theirs = concat(
    content.subarray(0, offset),
    fromHex(vector.core),
    content.subarray(offset),
  );
  const verified = verifyExecutable(memorySource(theirs), { owner: publicKeyOf(vectorSeed) });
  expect(verified.core.version).toEqual(version);
});
