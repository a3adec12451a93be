/**
 * What `sodium-universal` and `sodium-native` resolve to: the functions and constants that HyperDHT's tree
 * uses, on libsodium's WebAssembly build. Same names, arguments, output buffers and refusals as
 * sodium-native 5.1.0, where a length that would abort the process there throws here.
 *
 * `ready` is ours: nothing else may be called before it has resolved, and HyperDHT calls some while it
 * is being loaded.
 */
export * from "./sodium/box.ts";
export * from "./sodium/constants.ts";
export * from "./sodium/curve.ts";
export * from "./sodium/generichash.ts";
export { ready } from "./sodium/heap.ts";
export {
  randombytes_buf,
  sodium_free,
  sodium_increment,
  sodium_malloc,
  sodium_memzero,
} from "./sodium/memory.ts";
export * from "./sodium/secretstream.ts";
export * from "./sodium/sign.ts";
