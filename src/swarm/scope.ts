import type { PublicKey } from "../core/brand.ts";
import type { TargetName } from "../core/target-key.ts";

/** One swarm: the copies of one app, target and channel of one owner, perhaps behind a secret. */
export interface SwarmScope {
  readonly owner: PublicKey;
  readonly name: TargetName;
  /** 32 bytes; makes the swarm private. */
  readonly sharedSecret: Uint8Array | undefined;
}
