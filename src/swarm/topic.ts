/**
 * Where the copies of one app meet in the DHT. The place moves every minute, so that nobody can occupy
 * it for good: whoever wants to crowd it out has to keep up with every minute.
 *
 *   topic = SHA-512(field(domain) ‖ field(owner key) ‖ field(app) ‖ field(target) ‖ field(channel)
 *                   ‖ field(shared secret, or nothing) ‖ minute, u64 LE)[0..32]
 *   field(x) = u16 LE length of x ‖ x
 */
import { concat, u16le, u64le, utf8 } from "../core/bytes.ts";
import { sha512 } from "../core/hash.ts";
import type { SwarmScope } from "./scope.ts";

const DOMAIN = utf8("rustpatcher topic v1");
const TOPIC_BYTES = 32;
const NO_SECRET = new Uint8Array(0);

const field = (bytes: Uint8Array): Uint8Array => concat(u16le(bytes.length), bytes);

/** 32 bytes. `minute` counts from the Unix epoch. */
export function topicOf(scope: SwarmScope, minute: number): Uint8Array {
  const { owner, name, sharedSecret = NO_SECRET } = scope;
  const fields = [
    DOMAIN,
    owner,
    utf8(name.app),
    utf8(name.target),
    utf8(name.channel),
    sharedSecret,
  ];
  return sha512(...fields.map(field), u64le(minute)).slice(0, TOPIC_BYTES);
}

/**
 * The topics to look at: this minute's, and the one before, where those stand who have not yet moved or
 * whose clock is a minute behind.
 */
export function topicsToScan(scope: SwarmScope, minute: number): readonly Uint8Array[] {
  return [topicOf(scope, minute), topicOf(scope, minute - 1)];
}
