/**
 * ChaCha20 (RFC 8439 section 2.3) with WebAssembly's 128-bit vectors, which libsodium's WebAssembly build does
 * not use. It is where a transfer spends most of its time, and this does 900 instead of 520 MB/s.
 *
 * The module is assembled here, at load, from the names below: it is 1 KB, and a binary in the source would
 * have to be believed. Two blocks are computed side by side, each as the four rows of its state:
 *
 *   row 0  constants   row 1, 2  key   row 3  counter, nonce
 *
 * Opcodes: WebAssembly core specification 2.0, section 5.4 (vector instructions: 5.4.8).
 */
import { assembleModule, I32, sleb, uleb, V128 } from "./wasm-binary.ts";

const BLOCK_BYTES = 64;
const PARALLEL_BLOCKS = 2;
const STRIDE_BYTES = BLOCK_BYTES * PARALLEL_BLOCKS;
const DOUBLE_ROUNDS = 10;
const ROW_BYTES = 16;
const ROWS = 4;

/** Where the state lies in the module's memory; the data area follows. */
const STATE_OFFSET = 0;
const DATA_OFFSET = 128;
const PAGE_BYTES = 65_536;
const MEMORY_PAGES = 18;

/** Byte offset of the 32-bit block counter in the state. */
const COUNTER_OFFSET = 48;
const NONCE_OFFSET = 52;
const KEY_OFFSET = 16;
/** "expand 32-byte k". */
const CONSTANTS: readonly number[] = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/** Most bytes that one `xor` takes. */
export const CHACHA20_MAX_BYTES: number = MEMORY_PAGES * PAGE_BYTES - DATA_OFFSET - STRIDE_BYTES;

export interface ChaCha20 {
  /** The data area; the caller's until the next `xor`. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** XORs the first `bytes` bytes of `data` with the key stream that starts at block 0. */
  xor(key: Uint8Array, nonce: Uint8Array, bytes: number): void;
}

/** Undefined where the processor or the run time has no 128-bit vectors (x64 without AVX). */
export function createChaCha20(): ChaCha20 | undefined {
  const binary = assemble();
  if (!WebAssembly.validate(binary)) return undefined;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary));
  const { memory, xor } = exports as unknown as {
    memory: WebAssembly.Memory;
    xor: (state: number, data: number, strides: number) => void;
  };
  const state = new Uint8Array(memory.buffer, STATE_OFFSET, BLOCK_BYTES);
  const words = new DataView(memory.buffer, STATE_OFFSET, BLOCK_BYTES);
  for (const [i, word] of CONSTANTS.entries()) words.setUint32(4 * i, word, true);
  return {
    data: new Uint8Array(memory.buffer, DATA_OFFSET),
    xor(key, nonce, bytes) {
      state.set(key, KEY_OFFSET);
      words.setUint32(COUNTER_OFFSET, 0, true);
      state.set(nonce, NONCE_OFFSET);
      xor(STATE_OFFSET, DATA_OFFSET, Math.ceil(bytes / STRIDE_BYTES));
      state.fill(0, KEY_OFFSET);
    },
  };
}

// Locals of the function: three parameters, then the vectors, then the round counter.
const STATE = 0;
const DATA = 1;
const STRIDES = 2;
const FIRST_ROW = 3;
const ROUND = FIRST_ROW + ROWS * PARALLEL_BLOCKS;
const row = (block: number, index: number): number => FIRST_ROW + ROWS * block + index;

/** The module: memory "memory", function "xor"(state, data, strides). */
function assemble(): Uint8Array<ArrayBuffer> {
  const code: number[] = [];
  const emit = (...bytes: readonly number[]): void => {
    code.push(...bytes);
  };
  const get = (local: number): void => emit(0x20, ...uleb(local));
  const set = (local: number): void => emit(0x21, ...uleb(local));
  const tee = (local: number): void => emit(0x22, ...uleb(local));
  const constant = (value: number): void => emit(0x41, ...sleb(value));
  const vector = (opcode: number, ...immediates: readonly number[]): void =>
    emit(0xfd, ...uleb(opcode), ...immediates);
  const load = (offset: number): void => vector(0, 0, ...uleb(offset));
  const store = (offset: number): void => vector(11, 0, ...uleb(offset));
  const shuffle = (lanes: readonly number[]): void => vector(13, ...lanes);
  const xor = (): void => vector(81);
  const or = (): void => vector(80);
  const add = (): void => vector(174); // i32x4
  const shiftLeft = (): void => vector(171);
  const shiftRight = (): void => vector(173);
  /** Repeats `body` while the local, counted down by one after each turn, is not zero. */
  const repeat = (local: number, body: () => void): void => {
    emit(0x03, 0x40);
    body();
    get(local);
    constant(1);
    emit(0x6b);
    tee(local);
    emit(0x0d, 0, 0x0b);
  };
  const eachBlock = (body: (block: number) => void): void => {
    for (let block = 0; block < PARALLEL_BLOCKS; block++) body(block);
  };

  /** Puts row `index` of the block's initial state on the stack. */
  const initial = (block: number, index: number): void => {
    get(STATE);
    load(ROW_BYTES * index);
    if (index === ROWS - 1 && block > 0) {
      vector(12, block, ...Array.from({ length: ROW_BYTES - 1 }, () => 0));
      add();
    }
  };
  /** Pops the value for the local, rotated left by `bits` in each lane. */
  const rotateInto = (local: number, bits: number): void => {
    tee(local);
    if (bits % 8 === 0) {
      // Whole bytes: one shuffle instead of two shifts and an or.
      get(local);
      const lanes = Array.from({ length: ROW_BYTES }, (_, i) => (i & ~3) | ((i - bits / 8) & 3));
      shuffle(lanes);
    } else {
      constant(bits);
      shiftLeft();
      get(local);
      constant(32 - bits);
      shiftRight();
      or();
    }
    set(local);
  };
  /** a += b; d = (d ^ a) <<< bits, for all blocks. */
  const mix = (a: number, b: number, d: number, bits: number): void =>
    eachBlock((block) => {
      get(row(block, a));
      get(row(block, b));
      add();
      tee(row(block, a));
      get(row(block, d));
      xor();
      rotateInto(row(block, d), bits);
    });
  /** Rotates the row by `words` lanes, which turns columns into diagonals and back. */
  const turn = (index: number, words: number): void =>
    eachBlock((block) => {
      get(row(block, index));
      get(row(block, index));
      shuffle(Array.from({ length: ROW_BYTES }, (_, i) => (i + 4 * words) % ROW_BYTES));
      set(row(block, index));
    });
  const advance = (push: () => void, amount: number, pop: () => void): void => {
    push();
    constant(amount);
    emit(0x6a);
    pop();
  };

  repeat(STRIDES, () => {
    eachBlock((block) => {
      for (let index = 0; index < ROWS; index++) {
        initial(block, index);
        set(row(block, index));
      }
    });
    constant(DOUBLE_ROUNDS);
    set(ROUND);
    repeat(ROUND, () => {
      for (const words of [1, 3]) {
        mix(0, 1, 3, 16);
        mix(2, 3, 1, 12);
        mix(0, 1, 3, 8);
        mix(2, 3, 1, 7);
        turn(1, words);
        turn(2, 2);
        turn(3, 4 - words);
      }
    });
    eachBlock((block) => {
      for (let index = 0; index < ROWS; index++) {
        const offset = BLOCK_BYTES * block + ROW_BYTES * index;
        get(DATA);
        get(row(block, index));
        initial(block, index);
        add();
        get(DATA);
        load(offset);
        xor();
        store(offset);
      }
    });
    get(STATE);
    advance(
      () => {
        get(STATE);
        emit(0x28, 2, ...uleb(COUNTER_OFFSET));
      },
      PARALLEL_BLOCKS,
      () => emit(0x36, 2, ...uleb(COUNTER_OFFSET)),
    );
    advance(
      () => get(DATA),
      STRIDE_BYTES,
      () => set(DATA),
    );
  });
  const locals = [
    [ROWS * PARALLEL_BLOCKS, V128],
    [1, I32],
  ] as const;
  return assembleModule(MEMORY_PAGES, [{ name: "xor", locals, code }]);
}
