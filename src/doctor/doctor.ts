/** Everything that keeps updates from working, in the order in which it is worth mending. */
import { dirname } from "node:path";
import type { Clock } from "../core/clock.ts";
import { findProject } from "../release/project.ts";
import { bootstrapFrom } from "../swarm/bootstrap.ts";
import { checkExecutable } from "./executable.ts";
import type { Finding } from "./finding.ts";
import { checkKeys } from "./keys.ts";
import { checkBun, checkDisk, checkPlace } from "./machine.ts";
import { checkNetwork } from "./network.ts";

export interface DoctorOptions {
  /** A signed executable; without one, only what there is without one. */
  readonly path: string | undefined;
  readonly keyPath: string;
  /** "host:port,…"; wins over the executable and package.json. */
  readonly bootstrap: string | undefined;
  readonly clock: Clock;
  readonly onFinding: (finding: Finding) => void;
}

/**
 * Tells of each finding when it is there, and resolves with all.
 * @throws {FsError} without such an executable @throws {ReleaseError} CONFIG_INVALID
 * @throws {SwarmError} BOOTSTRAP_INVALID
 */
export async function examine(options: DoctorOptions): Promise<readonly Finding[]> {
  const { path, keyPath, clock, onFinding } = options;
  const findings: Finding[] = [];
  const tell = (...found: readonly Finding[]): void => {
    findings.push(...found);
    for (const finding of found) onFinding(finding);
  };
  const project = findProject(process.cwd(), path === undefined ? undefined : dirname(path));
  tell(checkBun(Bun.version));
  const executable = path === undefined ? undefined : checkExecutable(path, clock.nowMs() / 1000);
  tell(...(executable?.findings ?? []));
  if (path !== undefined) tell(checkPlace(path), checkDisk(path));
  const verified = executable?.verified;
  tell(...checkKeys(keyPath, project, verified?.owner));
  const full = verified?.kind === "full" ? verified : undefined;
  const configured = full?.extension.bootstrap ?? project?.settings.bootstrap ?? [];
  const network = await checkNetwork({
    bootstrap: bootstrapFrom(options.bootstrap, configured),
    scope: full && {
      owner: full.owner,
      name: full.extension,
      sharedSecret: full.extension.sharedSecret,
    },
  });
  tell(...network);
  return findings;
}
