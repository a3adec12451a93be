/**
 * Owner keys under a passphrase, as one line of text in three words:
 *
 *   "rustpatcher-key-1"
 *   the public key, z-base-32: who has the file can see whose it is
 *   z-base-32 of  salt 16 ‖ nonce 24 ‖ XChaCha20-Poly1305(key, nonce, seed, data = the first two words)
 *
 * with key = scrypt(passphrase in UTF-8 NFKC, salt, N = 2^17, r = 8, p = 1). The numbers belong to the first word:
 * a file cannot ask for weaker ones, nor for more memory than there is.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { scrypt } from "@noble/hashes/scrypt.js";
import { asSecretSeed, type PublicKey, type SecretSeed } from "../core/brand.ts";
import { concat, equal, utf8 } from "../core/bytes.ts";
import { keyText, parsePublicKey, publicKeyOf } from "../core/keys.ts";
import { encodeZ32, tryDecodeZ32 } from "../core/z32.ts";
import { ReleaseError } from "./error.ts";

const FORMAT = "rustpatcher-key-1";
const SALT_BYTES = 16;
const NONCE_BYTES = 24;
const SEED_BYTES = 32;
const TAG_BYTES = 16;
const BOX_BYTES = SALT_BYTES + NONCE_BYTES + SEED_BYTES + TAG_BYTES;
/** About 128 MiB and half a second for each guess: OWASP's first choice for scrypt. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, dkLen: 32 } as const;

export function isEncryptedKey(text: string): boolean {
  return text.startsWith(FORMAT);
}

export function encryptSeed(seed: SecretSeed, passphrase: string): string {
  const header = `${FORMAT} ${keyText(publicKeyOf(seed))}`;
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const box = cipher(passphrase, salt, nonce, header).encrypt(seed);
  return `${header} ${encodeZ32(concat(salt, nonce, box))}`;
}

/**
 * @throws {ReleaseError} KEY_DAMAGED for another form, KEY_PASSPHRASE for a wrong passphrase or a change
 *   anywhere in the text
 */
export function decryptSeed(text: string, passphrase: string): SecretSeed {
  const { header, owner, box } = parse(text);
  const salt = box.subarray(0, SALT_BYTES);
  const nonce = box.subarray(SALT_BYTES, SALT_BYTES + NONCE_BYTES);
  let seed: SecretSeed;
  try {
    const sealed = box.subarray(SALT_BYTES + NONCE_BYTES);
    seed = asSecretSeed(cipher(passphrase, salt, nonce, header).decrypt(sealed));
  } catch (cause) {
    throw new ReleaseError("KEY_PASSPHRASE", "the passphrase does not open this owner key", {
      blame: "usage",
      cause,
    });
  }
  if (!equal(publicKeyOf(seed), owner)) throw damaged();
  return seed;
}

/** Whose key it is, without the passphrase; not authenticated. @throws {ReleaseError} KEY_DAMAGED */
export function ownerOfEncrypted(text: string): PublicKey {
  return parse(text).owner;
}

function parse(text: string): { header: string; owner: PublicKey; box: Uint8Array } {
  const [format, owner, payload, ...others] = text.split(" ");
  if (format !== FORMAT || owner === undefined || payload === undefined || others.length > 0) {
    throw damaged();
  }
  const box = tryDecodeZ32(payload);
  if (box?.length !== BOX_BYTES) throw damaged();
  return { header: `${format} ${owner}`, owner: parsePublicKey(owner), box };
}

function cipher(
  passphrase: string,
  salt: Uint8Array,
  nonce: Uint8Array,
  header: string,
): ReturnType<typeof xchacha20poly1305> {
  const key = scrypt(utf8(passphrase.normalize("NFKC")), salt, SCRYPT);
  return xchacha20poly1305(key, nonce, utf8(header));
}

function damaged(): ReleaseError {
  return new ReleaseError(
    "KEY_DAMAGED",
    "this encrypted owner key is damaged, or of a newer rustpatcher: take your copy of it",
    { blame: "usage" },
  );
}
