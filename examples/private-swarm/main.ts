/** A program whose copies meet in a network of their own: see docs/PRIVATE-SWARM.md. */
import { Version } from "rustpatcher";
import "rustpatcher/auto";

console.log(`private-swarm ${Version.current() ?? "development"}`);
setInterval(() => undefined, 60_000);
