/** The raw library, which comes without types. */
declare module "libsodium-sumo" {
  /** Compiles and starts a module of its own. */
  export default function createLibsodium(options: {
    /** A random unsigned number of 32 bits. */
    readonly getRandomValue: () => number;
  }): Promise<import("./sodium/heap.ts").Libsodium>;
}
