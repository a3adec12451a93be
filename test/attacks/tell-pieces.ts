/** Tells of each piece that is verified, and of all that is written, before anything else is done. */
import { writeSync } from "node:fs";
import { Reuse } from "../../src/swarm/reuse.ts";
import { Assembly } from "../../src/update/assemble.ts";

/** verified: chunks `at` to `at + count`. written: `count` bytes from offset `at` of the stream. */
export type Tell = (what: "verified" | "written", at: number, count: number) => void;

/** From here on, in this thread. `tell` has to have told when it returns. */
export function tellPieces(tell: Tell): void {
  const decode = Reflect.get(Reuse.prototype, "decode");
  Reuse.prototype.decode = function decodeAndTell(...asked) {
    const bytes = decode.apply(this, asked);
    const [, { first, count }] = asked;
    if (bytes instanceof Uint8Array) tell("verified", first, count);
    return bytes;
  };
  const write = Reflect.get(Assembly.prototype, "write");
  Assembly.prototype.write = function writeAndTell(offset, bytes) {
    write.call(this, offset, bytes);
    tell("written", offset, bytes.length);
  };
}

/** On stdout, before it returns: a short write to a pipe is one system call, and what it has taken outlives us. */
export function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (cause) {
      // Whoever reads it is behind.
      if (Reflect.get(Object(cause), "code") !== "EAGAIN") throw cause;
      Bun.sleepSync(1);
    }
  }
}
