/** What `sodium-universal` and `sodium-native` resolve to. */
import { ready as libsodiumReady } from "libsodium-wrappers-sumo";

/** Resolves when the functions of this module may be called. */
export const ready: Promise<void> = libsodiumReady;
