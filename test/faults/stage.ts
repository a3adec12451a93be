/** A directory in which one fault after the other happens, and the judgement over what it has left. */
import {
  chmodSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VerifiedFull } from "../../src/exe/verify-executable.ts";
import { pendingHeader } from "../../src/update/pending.ts";
import type { Rehearse } from "../../src/update/rehearse.ts";
import { install, verified } from "../helpers/install.ts";
import { digestOf } from "../helpers/installed.ts";
import { run } from "./strace.ts";

/** Above what the kernel gives to anybody. */
const GONE = 4_194_304;
const MODE = 0o755;

/** A signed executable that is installed by giving it another name, so it is never written to, whatever happens. */
export interface Release {
  readonly path: string;
  readonly digest: string;
  readonly executable: VerifiedFull;
}

export function release(path: string): Release {
  chmodSync(path, MODE);
  return { path, digest: digestOf(path), executable: verified(path) };
}

export interface Releases {
  readonly one: Release;
  readonly two: Release;
  readonly three: Release;
}

/** What lies beside the executable before the fault. */
export type Scene =
  /** Version 1, and nothing. */
  | "one"
  /** Version 2, with version 1 as its rollback copy. */
  | "two"
  /** The same, on probation. */
  | "on probation"
  /** The same, after three starts that failed. */
  | "failed"
  /** Version 1 again, with what the failed version 2 has left. */
  | "back";

export class Stage {
  readonly directory: string = mkdtempSync(join(tmpdir(), "rustpatcher-faults-"));
  readonly path: string = join(this.directory, "app");
  readonly #releases: Releases;
  /** Undefined: the executables are made up, and cannot be started. */
  readonly #rehearse: Rehearse | undefined;

  constructor(releases: Releases, rehearse: Rehearse | undefined) {
    this.#releases = releases;
    this.#rehearse = rehearse;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  set(scene: Scene): void {
    for (const name of readdirSync(this.directory)) {
      rmSync(join(this.directory, name), { recursive: true });
    }
    const { one, two } = this.#releases;
    linkSync(scene === "one" || scene === "back" ? one.path : two.path, this.path);
    if (scene === "one") return;
    if (scene !== "back") linkSync(one.path, this.#beside("previous"));
    if (scene === "two") return;
    const { region, table, record } = two.executable;
    const header = pendingHeader(region, table.root.toHex(), record.record.version.text);
    const starts = scene === "on probation" ? "" : `${GONE}\n`.repeat(3);
    const end = scene === "back" ? "back\n" : "";
    writeFileSync(this.#beside("pending"), header + starts + end, { mode: 0o600 });
  }

  /** What is wrong; undefined when all is as it must be. Repairs nothing but by what users do: start it, wait. */
  async problem(scene: Scene): Promise<string | undefined> {
    try {
      const found = this.#installed();
      if (found === undefined) return "another file at the path";
      if ((statSync(this.path).mode & 0o7777) !== MODE) return "another mode";
      if (this.#rehearse !== undefined) {
        const wrong = await this.#started();
        if (wrong !== undefined) return wrong;
      } else {
        // A made-up version cannot say that it is healthy.
        if (scene !== "back") rmSync(this.#beside("pending"), { force: true });
      }
      if (scene === "failed" && this.#installed() !== this.#releases.one) return "not back";
      return await this.#laterUpdates(scene);
    } catch (cause) {
      return cause instanceof Error ? cause.message : String(cause);
    }
  }

  #installed(): Release | undefined {
    const digest = digestOf(this.path);
    return Object.values(this.#releases).find((one) => one.digest === digest);
  }

  async #started(): Promise<string | undefined> {
    const outcome = await run([this.path]);
    const version = this.#installed()?.executable.record.record.version.text;
    if (outcome.exitCode === 0 && outcome.stdout === `${version}\n`) return undefined;
    return `it does not start: ${JSON.stringify(outcome)}`;
  }

  async #laterUpdates(scene: Scene): Promise<string | undefined> {
    const { two, three } = this.#releases;
    if (scene === "back") {
      const code = await this.#install(two);
      if (code !== "REFUSED") return `the failed version is not refused: ${code || "installed"}`;
    }
    const code = await this.#install(three);
    if (code !== "") return `no later update: ${code}`;
    if (this.#installed() !== three) return "the later update is not there";
    const strays = readdirSync(this.directory).filter((name) => name.endsWith("-tmp"));
    return strays.length === 0 ? undefined : `left over: ${strays.join(" ")}`;
  }

  #install(next: Release): Promise<string> {
    const own = this.#installed();
    return install({
      path: this.path,
      next: next.path,
      wanted: next.executable,
      rehearse: this.#rehearse ?? (async () => undefined),
      ...(own === undefined ? {} : { own: own.executable }),
    });
  }

  #beside(what: string): string {
    return join(this.directory, `.app.rustpatcher-${what}`);
  }
}
