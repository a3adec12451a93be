import type { Swarm } from "../swarm/swarm.ts";

/** Where releases come from, and go to. */
export type ReleaseSource = Pick<Swarm, "serve" | "discover" | "hasReached" | "fetch">;
