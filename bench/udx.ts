/**
 * The transport's speed over loopback, ours against the original in the same run: encrypted HyperDHT connections, each
 * measure with its bound and verdict, then one raw UDX stream.
 *
 *   bun bench/udx.ts [megabytes = 200] [rounds = 3] [idle connections = 1000]
 */
import "./hyperdht/main.ts";

// Afterwards: what is imported together runs together.
console.log();
await import("./udx/raw.ts");
