import { beforeAll, describe, expect, test } from "bun:test";
import { ED25519_TORSION_SUBGROUP, ed25519 } from "@noble/curves/ed25519.js";
import * as sodium from "../../embed/alias/sodium.ts";
import { Builder, type Program, Random, runNative, runOurs, type Span } from "./sodium-program.ts";

const seed = Number(process.env["SODIUM_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
console.log(`SODIUM_SEED=${seed}`);

beforeAll(() => sodium.ready);

/** Makes `count` programs, runs each on both, and demands equal outcomes and an equal buffer. */
async function compare(
  count: number,
  make: (builder: Builder) => void,
  { buffers = true }: { readonly buffers?: boolean } = {},
): Promise<void> {
  const programs: Program[] = Array.from({ length: count }, (_, index) => {
    const builder = new Builder(new Random(seed + index));
    make(builder);
    return builder.build();
  });
  const { results } = await runNative(programs);
  for (const [index, program] of programs.entries()) {
    const calls = program.calls.map(({ name }) => name);
    const ours = runOurs(program);
    const label = { SODIUM_SEED: seed, index, calls };
    // `undefined` does not survive JSON; neither side returns it where it matters.
    expect({ ...label, outcomes: JSON.parse(JSON.stringify(ours.outcomes)) as unknown }).toEqual({
      ...label,
      outcomes: results[index]?.outcomes,
    });
    if (!buffers) continue;
    expect({ ...label, sameBuffer: ours.slab === results[index]?.slab }).toEqual({
      ...label,
      sameBuffer: true,
    });
  }
}

const STREAM = "crypto_secretstream_xchacha20poly1305";
const SS_BYTES = 17;

/** A view of the same buffer that starts somewhere inside `span` or before it. */
function shifted([offset, length]: Span, by: number, newLength: number = length): Span {
  return [offset + by, newLength];
}

describe("equal to sodium-native", () => {
  test("every constant", async () => {
    const { constants } = await runNative([]);
    const ours = Object.entries(sodium).filter(([, value]) => typeof value === "number");
    expect(ours.length).toBeGreaterThan(30);
    for (const [name, value] of ours) expect([name, value]).toEqual([name, constants[name] ?? -1]);
  });

  test("generichash, with and without key, output inside input", () =>
    compare(300, (b) => {
      const key = b.random.chance(50) ? b.data(b.random.int(16, 64)) : null;
      const input = b.data(64 + b.size());
      const inPlace = b.random.chance(30);
      const length = b.random.int(16, 64);
      const output = inPlace ? shifted(input, 0, length) : b.data(length);
      b.call("crypto_generichash", output, input, key);
    }));

  test("generichash_batch, output as a member of the batch", () =>
    compare(300, (b) => {
      const key = b.random.chance(50) ? b.data(b.random.int(16, 64)) : null;
      const output = b.data(b.random.int(16, 64));
      const batch = Array.from({ length: b.random.int(1, 6) }, () =>
        b.random.chance(20) ? output : b.data(),
      );
      b.call("crypto_generichash_batch", output, batch, key);
    }));

  test("hash_sha512, in place as well", () =>
    compare(100, (b) => {
      const input = b.data(64 + b.size());
      b.call("crypto_hash_sha512", b.random.chance(30) ? shifted(input, 0, 64) : b.data(64), input);
    }));

  test("scalar multiplications, valid points and arbitrary bytes", () =>
    compare(150, (b) => {
      const publicKey = b.data(32);
      b.call("crypto_sign_seed_keypair", publicKey, b.data(64), b.data(32));
      const scalar = b.data(32);
      b.call("crypto_scalarmult_ed25519_noclamp", b.data(32), scalar, publicKey);
      b.call("crypto_scalarmult_ed25519_noclamp", b.data(32), scalar, b.data(32));
      b.call("crypto_scalarmult_base", b.data(32), scalar);
      b.call("crypto_scalarmult", b.data(32), scalar, b.data(32));
      b.call("crypto_scalarmult", scalar, scalar, b.data(32));
    }));

  test("scalar multiplications refuse degenerate points and scalars alike", async () => {
    const zero = new Uint8Array(32);
    const identity = Uint8Array.from(zero);
    identity[0] = 1;
    const minusOne = new Uint8Array(32).fill(0xff);
    minusOne[0] = 0xec;
    minusOne[31] = 0x7f;
    const points = [zero, identity, minusOne, new Uint8Array(32).fill(0xff)];
    // Both throw, but what a failed X25519 leaves in its output differs between libsodium's own
    // implementations: zeros from the one for AVX, nothing from the portable one.
    await compare(
      1,
      (b) => {
        for (const scalar of points) {
          for (const point of points) {
            const n = b.preset(scalar);
            b.call("crypto_scalarmult_ed25519_noclamp", b.data(32), n, b.preset(point));
            b.call("crypto_scalarmult", b.data(32), n, b.preset(point));
          }
        }
      },
      { buffers: false },
    );
  });

  test("clamped scalars times points of every kind: the way round by X25519 has the same answer", async () => {
    const { BASE } = ed25519.Point;
    const torsion = ED25519_TORSION_SUBGROUP.map((hex) => ed25519.Point.fromHex(hex, true));
    const multiples = [1n, 2n, 3n, 7n, 8n, 16n, 24n, 2n ** 200n + 5n].map((n) => BASE.multiply(n));
    const points = [
      ...multiples,
      ...multiples.map((point) => point.negate()),
      ...torsion,
      // What X25519 cannot tell from a point of prime order.
      ...torsion.map((point) => point.add(BASE)),
      ...torsion.map((point) => point.add(BASE.multiply(123_456_789n))),
    ].map((point) => point.toBytes());
    // y from P to 2^255 − 1, with either sign: some are other spellings of points.
    for (let low = 0xed; low <= 0xff; low++) {
      for (const high of [0x7f, 0xff]) {
        const bytes = new Uint8Array(32).fill(0xff);
        bytes[0] = low;
        bytes[31] = high;
        points.push(bytes);
      }
    }
    const lowest = new Uint8Array(32);
    lowest[31] = 0x40;
    const highest = new Uint8Array(32).fill(0xff);
    highest[0] = 0xf8;
    highest[31] = 0x7f;
    const last = Uint8Array.from(highest);
    last[0] = 0xf0;
    const program = (b: Builder): void => {
      const scalar = Uint8Array.from({ length: 32 }, () => b.random.int(0, 255));
      scalar[0] = (scalar[0] ?? 0) & 0xf8;
      scalar[31] = ((scalar[31] ?? 0) & 0x3f) | 0x40;
      for (const n of [scalar, lowest, highest, last]) {
        for (const point of points) {
          b.call("crypto_scalarmult_ed25519_noclamp", b.data(32), b.preset(n), b.preset(point));
        }
      }
      for (let i = 0; i < 50; i++) {
        const publicKey = b.data(32);
        b.call("crypto_sign_seed_keypair", publicKey, b.data(64), b.data(32));
        const n = b.preset(scalar);
        b.call("crypto_scalarmult_ed25519_noclamp", b.data(32), n, publicKey);
        // Known by now, and in place.
        b.call("crypto_scalarmult_ed25519_noclamp", n, n, publicKey);
      }
    };
    await compare(4, program);
  });

  test("key pairs from a seed", () =>
    compare(60, (b) => {
      b.call("crypto_sign_seed_keypair", b.data(32), b.data(64), b.data(32));
      b.call("crypto_box_seed_keypair", b.data(32), b.data(32), b.data(32));
      b.call("crypto_kx_seed_keypair", b.data(32), b.data(32), b.data(32));
      b.call("crypto_sign_ed25519_sk_to_pk", b.data(32), b.data(64));
    }));

  test("signatures, and their verification when message, key or signature was altered", () =>
    compare(150, (b) => {
      const pk = b.data(32);
      const sk = b.data(64);
      const message = b.data();
      const signature = b.data(b.random.chance(20) ? 70 : 64);
      b.call("crypto_sign_seed_keypair", pk, sk, b.data(32));
      b.call("crypto_sign_detached", shifted(signature, 0, 64), message, sk);
      b.call("crypto_sign_verify_detached", signature, message, pk);
      for (const target of [message, shifted(signature, b.random.int(0, 63), 1), pk]) {
        if (target[1] === 0) continue;
        b.call("flip", target);
        b.call("crypto_sign_verify_detached", signature, message, pk);
        b.call("flip", target);
      }
    }));

  test("secretbox, in place from either end, altered or not", () =>
    compare(300, (b) => {
      const nonce = b.data(24);
      const key = b.data(32);
      const message = b.data();
      const cipher = b.random.chance(40)
        ? shifted(message, 0, message[1] + 16)
        : b.data(message[1] + 16);
      b.data(40); // room for what runs past the message
      b.call("crypto_secretbox_easy", cipher, message, nonce, key);
      if (b.random.chance(30)) b.call("flip", shifted(cipher, b.random.int(0, cipher[1] - 1), 1));
      const opened = b.random.chance(40) ? shifted(cipher, 16, message[1]) : b.data(message[1]);
      b.call("crypto_secretbox_open_easy", opened, cipher, nonce, key);
    }));

  test("the AEAD of the handshake, altered or not", () =>
    compare(300, (b) => {
      const nonce = b.data(12);
      const key = b.data(32);
      const message = b.data();
      const ad = b.random.chance(70) ? b.data() : null;
      const cipher = b.random.chance(40)
        ? shifted(message, 0, message[1] + 16)
        : b.data(message[1] + 16);
      b.data(40);
      b.call("crypto_aead_chacha20poly1305_ietf_encrypt", cipher, message, ad, null, nonce, key);
      if (b.random.chance(30)) b.call("flip", shifted(cipher, b.random.int(0, cipher[1] - 1), 1));
      const opened = b.random.chance(40) ? shifted(cipher, 0, message[1]) : b.data(message[1]);
      b.call("crypto_aead_chacha20poly1305_ietf_decrypt", opened, null, cipher, ad, nonce, key);
    }));

  test("secretstream: tags, associated data, rekeys, in place, altered messages", () =>
    compare(200, (b) => {
      const key = b.data(32);
      const header = b.data(24);
      const push = b.data(52);
      const pull = b.data(52);
      const tag = b.data(1);
      b.call(`${STREAM}_init_pull`, push, header, key);
      b.call(`${STREAM}_init_pull`, pull, header, key);
      for (let i = b.random.int(1, 5); i > 0; i--) {
        const cipher = b.data(b.size() + SS_BYTES);
        const length = cipher[1] - SS_BYTES;
        // @hyperswarm/secret-stream encrypts in place, the message one byte into the cipher.
        const message = b.random.chance(60) ? shifted(cipher, 1, length) : b.data(length);
        const ad = b.random.chance(30) ? b.data() : null;
        b.call(`${STREAM}_push`, push, cipher, message, ad, b.random.int(0, 3));
        const opened = b.random.chance(60) ? shifted(cipher, 1, length) : b.data(length);
        if (b.random.chance(30)) {
          const target = shifted(cipher, b.random.int(0, cipher[1] - 1), 1);
          b.call("flip", target);
          b.call(`${STREAM}_pull`, pull, b.data(length), tag, cipher, ad);
          b.call("flip", target);
        }
        b.call(`${STREAM}_pull`, pull, opened, tag, cipher, ad);
        if (b.random.chance(20)) {
          b.call(`${STREAM}_rekey`, push);
          b.call(`${STREAM}_rekey`, pull);
        }
      }
    }));

  test("secretstream: a counter that wraps brings a new key, at every length around a block", () =>
    compare(150, (b) => {
      const state = b.random.bytes(52);
      state.fill(0xff, 32, 36);
      if (b.random.chance(30)) state[32] = 0xfe;
      const push = b.preset(state);
      const pull = b.preset(state);
      const tag = b.data(1);
      for (let i = 0; i < 3; i++) {
        // Around the length from which vectors are used, and around their stride.
        const length = b.random.int(0, 3) * 256 + b.random.int(0, 300);
        const cipher = b.data(length + SS_BYTES);
        b.call(`${STREAM}_push`, push, cipher, b.data(length), null, b.random.int(0, 3));
        b.call(`${STREAM}_pull`, pull, b.data(length), tag, cipher, null);
      }
    }));

  test("sodium_increment carries, and sodium_memzero", () =>
    compare(60, (b) => {
      const ones = b.random.int(0, 12);
      const number = b.preset(new Uint8Array(b.random.int(ones, 24)).fill(0xff, 0, ones));
      b.call("sodium_increment", number);
      b.call("sodium_increment", number);
      b.call("sodium_memzero", b.data(b.random.int(0, 40)));
    }));

  // Lengths of all buffer arguments in order; each is passed one too short, one too long and as null.
  const SIGNATURES: readonly [name: string, ...args: readonly (number | null | [number])[]][] = [
    ["crypto_generichash", 32, 10],
    ["crypto_hash_sha512", 64, 10],
    ["crypto_scalarmult", 32, 32, 32],
    ["crypto_scalarmult_base", 32, 32],
    ["crypto_scalarmult_ed25519_noclamp", 32, 32, 32],
    ["crypto_sign_keypair", 32, 64],
    ["crypto_sign_seed_keypair", 32, 64, 32],
    ["crypto_sign_detached", 64, 10, 64],
    ["crypto_sign_verify_detached", 64, 10, 32],
    ["crypto_sign_ed25519_sk_to_pk", 32, 64],
    ["crypto_box_keypair", 32, 32],
    ["crypto_box_seed_keypair", 32, 32, 32],
    ["crypto_box_seal", 58, 10, 32],
    ["crypto_box_seal_open", 10, 58, 32, 32],
    ["crypto_secretbox_easy", 26, 10, 24, 32],
    ["crypto_secretbox_open_easy", 10, 26, 24, 32],
    ["crypto_kx_keypair", 32, 32],
    ["crypto_kx_seed_keypair", 32, 32, 32],
    [`${STREAM}_keygen`, 32],
    [`${STREAM}_init_push`, 52, 24, 32],
    [`${STREAM}_init_pull`, 52, 24, 32],
    [`${STREAM}_push`, 52, 27, 10, null, [0]],
    [`${STREAM}_pull`, 52, 10, 1, 27, null],
    [`${STREAM}_rekey`, 52],
    ["crypto_aead_chacha20poly1305_ietf_encrypt", 26, 10, null, null, 12, 32],
    ["crypto_aead_chacha20poly1305_ietf_decrypt", 10, null, 26, null, 12, 32],
    ["sodium_memzero", 8],
    ["randombytes_buf", 8],
  ];

  test("what is refused, and with which words", async () => {
    const variants = SIGNATURES.flatMap(([name, ...args]) =>
      args.flatMap((length, index) =>
        typeof length === "number"
          ? [length - 1, length + 1, null].map((wrong) => [name, args.with(index, wrong)] as const)
          : [],
      ),
    );
    let refused = 0;
    const programs = variants.map(([name, args], index) => {
      const b = new Builder(new Random(seed + index));
      return b
        .call(
          name,
          ...args.map((arg) =>
            arg === null ? null : typeof arg === "number" ? b.data(arg) : (arg[0] ?? 0),
          ),
        )
        .build();
    });
    const { results } = await runNative(programs);
    for (const [index, program] of programs.entries()) {
      const native = results[index]?.outcomes[0];
      const ours = runOurs(program);
      const label = { call: JSON.stringify(program.calls) };
      expect({ ...label, error: ours.outcomes[0]?.error }).toEqual({
        ...label,
        error: native?.error,
      });
      if (native?.error === undefined) continue;
      refused++;
      // A refusal must not have touched anything.
      expect({ ...label, untouched: ours.slab === program.slab }).toEqual({
        ...label,
        untouched: true,
      });
    }
    expect(refused).toBeGreaterThan(100);
  });
});

describe("random outputs are usable by sodium-native", () => {
  test("key pairs", async () => {
    const b = new Builder(new Random(seed));
    const signPk = b.data(32);
    const signSk = b.data(64);
    const boxPk = b.data(32);
    const boxSk = b.data(32);
    const kxPk = b.data(32);
    const kxSk = b.data(32);
    const program = b
      .call("crypto_sign_keypair", signPk, signSk)
      .call("crypto_box_keypair", boxPk, boxSk)
      .call("crypto_kx_keypair", kxPk, kxSk)
      .build();
    const made = runOurs(program);
    const again = runOurs(program);
    expect(made.slab).not.toBe(again.slab);
    const slab = Buffer.from(made.slab, "hex");
    const at = ([offset, length]: Span): string => slab.toString("hex", offset, offset + length);

    const check = new Builder(new Random(seed));
    const results = [
      check.preset(slab.subarray(signSk[0], signSk[0] + 32)),
      check.data(32),
      check.data(64),
      check.preset(Buffer.from(at(boxSk), "hex")),
      check.data(32),
      check.preset(Buffer.from(at(kxSk), "hex")),
      check.data(32),
    ] as const;
    const [seedSpan, pk, sk, boxScalar, boxOut, kxScalar, kxOut] = results;
    const { results: native } = await runNative([
      check
        .call("crypto_sign_seed_keypair", pk, sk, seedSpan)
        .call("crypto_scalarmult_base", boxOut, boxScalar)
        .call("crypto_scalarmult_base", kxOut, kxScalar)
        .build(),
    ]);
    const after = Buffer.from(native[0]?.slab ?? "", "hex");
    const read = ([offset, length]: Span): string => after.toString("hex", offset, offset + length);
    expect([read(pk), read(sk)]).toEqual([at(signPk), at(signSk)]);
    expect(read(boxOut)).toBe(at(boxPk));
    expect(read(kxOut)).toBe(at(kxPk));
  });

  test("sealed boxes open on the other side, in both directions", async () => {
    const b = new Builder(new Random(seed));
    const pk = b.data(32);
    const sk = b.data(32);
    const message = b.data(100);
    const cipher = b.data(148);
    const opened = b.data(100);
    const seal = b
      .call("crypto_box_seed_keypair", pk, sk, b.data(32))
      .call("crypto_box_seal", cipher, message, pk)
      .build();
    const open = { calls: [{ name: "crypto_box_seal_open", args: [opened, cipher, pk, sk] }] };
    const openCalls = open.calls.map(({ name, args }) => ({
      name,
      args: args.map((at) => ({ at })),
    }));
    const { results: sealed } = await runNative([seal]);
    const byNative = runOurs({ slab: sealed[0]?.slab ?? "", calls: openCalls });
    const { results } = await runNative([{ slab: runOurs(seal).slab, calls: openCalls }]);
    for (const result of [byNative, results[0]]) {
      expect(result?.outcomes).toEqual([{ value: true }]);
      const slab = Buffer.from(result?.slab ?? "", "hex");
      expect(slab.subarray(opened[0], opened[0] + 100)).toEqual(
        slab.subarray(message[0], message[0] + 100),
      );
    }
  });

  test("a stream that we start is understood", async () => {
    const b = new Builder(new Random(seed));
    const state = b.data(52);
    const header = b.data(24);
    const key = b.data(32);
    const cipher = b.data(117);
    const message = b.data(100);
    const started = runOurs(
      b
        .call(`${STREAM}_init_push`, state, header, key)
        .call(`${STREAM}_push`, state, cipher, message, null, 3)
        .build(),
    );
    const pull = [state, header, key].map((at) => ({ at }));
    const { results } = await runNative([
      {
        slab: started.slab,
        calls: [
          { name: `${STREAM}_init_pull`, args: pull },
          {
            name: `${STREAM}_pull`,
            args: [
              { at: state },
              { at: message },
              { at: shifted(key, 0, 1) },
              { at: cipher },
              { value: null },
            ],
          },
        ],
      },
    ]);
    expect(results[0]?.outcomes[1]).toEqual({ value: 100 });
  });
});

test("hashing in steps equals hashing at once, whatever the steps", () => {
  const random = new Random(seed);
  for (let round = 0; round < 50; round++) {
    const data = random.bytes(random.int(0, 3_000));
    const key = random.chance(50) ? random.bytes(32) : null;
    const state = Buffer.alloc(sodium.crypto_generichash_STATEBYTES);
    const whole = Buffer.alloc(32);
    const stepped = Buffer.alloc(32);
    sodium.crypto_generichash(whole, data, key);
    sodium.crypto_generichash_init(state, key, 32);
    for (let offset = 0; offset < data.byteLength;) {
      const end = offset + random.int(1, 400);
      sodium.crypto_generichash_update(state, data.subarray(offset, end));
      offset = end;
    }
    sodium.crypto_generichash_final(state, stepped);
    expect({ SODIUM_SEED: seed, round, hex: stepped.toString("hex") }).toEqual({
      SODIUM_SEED: seed,
      round,
      hex: whole.toString("hex"),
    });
  }
});

test("accepts any kind of view, and honours its offset", () => {
  const words = new Uint16Array(20).fill(0x0102);
  const bytes = new Uint8Array(words.buffer);
  const viaWords = Buffer.alloc(32);
  const viaBytes = Buffer.alloc(32);
  sodium.crypto_generichash(viaWords, words.subarray(2, 10));
  sodium.crypto_generichash(viaBytes, bytes.subarray(4, 20));
  expect(viaWords).toEqual(viaBytes);
  const target = new DataView(new ArrayBuffer(48), 8, 32);
  sodium.crypto_generichash(target, bytes.subarray(4, 20));
  expect(Buffer.from(target.buffer, 8, 32)).toEqual(viaBytes);
  expect(Buffer.from(target.buffer, 0, 8)).toEqual(Buffer.alloc(8));
});

test("a message larger than the heap's scratch area passes, and so does a small one after it", () => {
  const key = Buffer.alloc(32, 1);
  const header = Buffer.alloc(24);
  const push = Buffer.alloc(52);
  const pull = Buffer.alloc(52);
  const tag = Buffer.alloc(1);
  sodium.crypto_secretstream_xchacha20poly1305_init_push(push, header, key);
  sodium.crypto_secretstream_xchacha20poly1305_init_pull(pull, header, key);
  for (const size of [8 << 20, 10]) {
    const message = Buffer.alloc(size, 7);
    const cipher = Buffer.alloc(size + SS_BYTES);
    const opened = Buffer.alloc(size);
    sodium.crypto_secretstream_xchacha20poly1305_push(push, cipher, message, null, 0);
    sodium.crypto_secretstream_xchacha20poly1305_pull(pull, opened, tag, cipher, null);
    expect(opened.equals(message)).toBe(true);
  }
});

test("sodium_free wipes and detaches what sodium_malloc gave, and leaves others alone", () => {
  const secure = sodium.sodium_malloc(32);
  secure.fill(7);
  const other = Buffer.alloc(4, 7);
  sodium.sodium_free(other);
  sodium.sodium_free(null);
  sodium.sodium_free(secure);
  expect(other).toEqual(Buffer.alloc(4, 7));
  expect(secure.byteLength).toBe(0);
  expect(() => sodium.sodium_malloc(-1)).toThrow("invalid size");
});

test("randombytes_buf fills exactly the view it is given", () => {
  const slab = Buffer.alloc(300);
  sodium.randombytes_buf(slab.subarray(20, 276));
  expect(slab.subarray(0, 20)).toEqual(Buffer.alloc(20));
  expect(slab.subarray(276)).toEqual(Buffer.alloc(24));
  expect(new Set(slab.subarray(20, 276)).size).toBeGreaterThan(100);
});
