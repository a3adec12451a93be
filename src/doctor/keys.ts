/** The owner key: there, readable by nobody else, of this app, and out of git's reach. */
import { existsSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { PublicKey } from "../core/brand.ts";
import { equal } from "../core/bytes.ts";
import { keyText, parsePublicKey, publicKeyOf } from "../core/keys.ts";
import { isEncryptedKey } from "../release/encrypted-key.ts";
import { parseSeedText, readKeyText } from "../release/key-file.ts";
import type { Project } from "../release/project.ts";
import { attempt, fail, ok, warn, type Finding } from "./finding.ts";

const GIT_TIMEOUT_MS = 5_000;

/** `owner` is that of the executable looked at. */
export function checkKeys(
  path: string,
  project: Project | undefined,
  owner: PublicKey | undefined,
): Finding[] {
  const named = project?.settings.publicKey;
  if (!existsSync(path)) {
    return [ok("key", `no owner key at ${path}: it is needed only where releases are signed`)];
  }
  const advice = "Keep the key in a file of its own, chmod 600, and a copy elsewhere";
  const finding = attempt("key", advice, () => {
    const text = readKeyText(path);
    if (isEncryptedKey(text)) return ok("key", `${path} is under a passphrase`);
    const own = publicKeyOf(parseSeedText(text));
    for (const [whose, other] of [
      ["package.json", named === undefined ? undefined : parsePublicKey(named)],
      ["the executable", owner],
    ] as const) {
      if (other !== undefined && !equal(other, own)) {
        return fail(
          "key",
          `${path} is the key of ${keyText(own)}, but ${whose} names ${keyText(other)}`,
          "Use the key that installed copies trust: they follow no other",
        );
      }
    }
    return ok("key", `${path} is the key of ${keyText(own)}, for its owner only`);
  });
  return [finding, ...gitFinding(resolve(path))];
}

/** Nothing to say outside of a repository, or without git. */
function gitFinding(path: string): Finding[] {
  const git = (...args: readonly string[]): number | undefined => {
    try {
      return Bun.spawnSync(["git", ...args], {
        cwd: dirname(path),
        stdio: ["ignore", "ignore", "ignore"],
        timeout: GIT_TIMEOUT_MS,
      }).exitCode;
    } catch {
      return undefined;
    }
  };
  if (git("rev-parse", "--is-inside-work-tree") !== 0) return [];
  const name = basename(path);
  if (git("ls-files", "--error-unmatch", "--", name) === 0) {
    return [
      fail(
        "git",
        `${path} is in the repository`,
        "Take it for stolen: make a new key, and see docs/SECURITY.md for what to do with the old one",
      ),
    ];
  }
  return git("check-ignore", "-q", "--", name) === 0
    ? [ok("git", "the key is ignored by git")]
    : [warn("git", `git would add ${path}`, `Add ${name} to .gitignore`)];
}
