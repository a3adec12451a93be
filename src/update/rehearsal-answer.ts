/**
 * What a new executable says when it is rehearsed (step 7): started once before it may be installed, with
 * this variable as its whole environment. Its runtime answers before any code of the app runs, and ends.
 */
export const REHEARSAL_VARIABLE = "RUSTPATCHER_REHEARSAL";
/** SHA-256 in hexadecimal. */
export const ANSWER_LENGTH = 64;

/**
 * Only a program that runs here, with our runtime in it, which finds this very region in itself can say
 * this: version, target, owner and record are in the region, and no two nonces are the same.
 */
export function rehearsalAnswer(nonce: string, region: Uint8Array): string {
  return new Bun.CryptoHasher("sha256")
    .update(`rustpatcher rehearsal\0${nonce}\0`)
    .update(region)
    .digest("hex");
}
