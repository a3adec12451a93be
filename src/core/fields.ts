/** Typed access to a decoded CBOR map: every field is checked once, unknown ones are refused. */
import type { CborValue } from "./cbor.ts";
import { CoreError } from "./core-error.ts";

function invalid(name: string, reason: string): CoreError {
  return new CoreError("FIELD_INVALID", `field "${name}" ${reason}`, { blame: "peer", name });
}

export class Fields {
  readonly #map: ReadonlyMap<string, CborValue>;
  readonly #known = new Set<string>();

  /** @throws {CoreError} FIELD_INVALID when `value` is not a map. */
  constructor(value: CborValue) {
    if (!(value instanceof Map)) throw invalid("", "is not a map");
    this.#map = value as ReadonlyMap<string, CborValue>;
  }

  /** The raw value, or undefined when the field is absent. */
  take(name: string): CborValue | undefined {
    this.#known.add(name);
    return this.#map.get(name);
  }

  uint(name: string, max: number, min = 0): number {
    const value = this.take(name);
    if (typeof value !== "number" || value < min || value > max) {
      throw invalid(name, `must be a number from ${min} to ${max}`);
    }
    return value;
  }

  text(name: string, maxBytes: number): string {
    const value = this.take(name);
    if (typeof value !== "string" || Buffer.byteLength(value) > maxBytes) {
      throw invalid(name, `must be text of at most ${maxBytes} bytes`);
    }
    return value;
  }

  bytes(name: string, sizeBytes: number): Uint8Array {
    const value = this.take(name);
    if (!(value instanceof Uint8Array) || value.length !== sizeBytes) {
      throw invalid(name, `must be ${sizeBytes} bytes`);
    }
    return value;
  }

  boolean(name: string): boolean {
    const value = this.take(name);
    if (typeof value !== "boolean") throw invalid(name, "must be true or false");
    return value;
  }

  has(name: string): boolean {
    return this.#map.has(name);
  }

  /** @throws {CoreError} FIELD_INVALID naming a field nobody asked for. */
  end(): void {
    for (const name of this.#map.keys()) {
      if (!this.#known.has(name)) throw invalid(name.slice(0, 40), "is unknown");
    }
  }
}
