/**
 * Argument checks with the messages of sodium-native. They are what keeps a wrong length from reading or
 * writing past a buffer in the WebAssembly heap, where nothing else would notice.
 */
import { AliasError } from "../error.ts";

/** The bytes that `value` views, not copied. @throws {AliasError} ARGUMENT when it is no view. */
export function view(value: unknown, name: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  throw new AliasError("ARGUMENT", `${name} must be a typed array`, { argument: name });
}

/** As `view`, of exactly `length` bytes; `rule` is how the message names that length. */
export function sized(value: unknown, name: string, length: number, rule: string): Uint8Array {
  const bytes = view(value, name);
  demand(bytes.byteLength === length, `${name} must be '${rule}' bytes`);
  return bytes;
}

/** An optional buffer: anything falsy means none, as in sodium-native. */
export function optional(value: unknown, name: string): Uint8Array | undefined {
  return value ? view(value, name) : undefined;
}

/** @throws {AliasError} ARGUMENT unless `condition` holds. */
export function demand(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AliasError("ARGUMENT", message);
}

/** @throws {AliasError} FAILED when libsodium reports a failure. */
export function succeeded(status: number, message = `status: ${status}`): void {
  if (status !== 0) throw new AliasError("FAILED", message, { status });
}
