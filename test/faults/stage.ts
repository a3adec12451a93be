/** A directory in which one fault after the other happens, and the judgement over what it has left. */
import {
  linkSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tryLock } from "../../src/fs/lock.ts";
import { pathBeside, type OwnFile } from "../../src/fs/own-files.ts";
import { pendingHeader } from "../../src/update/pending.ts";
import type { Rehearse } from "../../src/update/rehearse.ts";
import { install } from "../helpers/install.ts";
import { digestOf } from "../helpers/installed.ts";
import { run } from "./program.ts";
import type { Fault } from "./strace.ts";
import { MODE, type Release, type Releases, type Scenario, type Scene } from "./scenario.ts";

/** Above what the kernel gives to anybody. */
const GONE = 4_194_304;
/** For whoever was started in the background. */
const QUIET_TIMEOUT_MS = 30_000;
/** What may lie beside an executable once all is done (ARCHITECTURE, section 8). */
const STAYS: readonly OwnFile[] = [
  "previous",
  "older",
  "state",
  "lock",
  "pending",
  "contacts",
  "stamp",
  "status",
  "helper",
];

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
    for (const pid of this.#running()) process.kill(pid, "SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }

  set(scene: Scene): void {
    for (const name of readdirSync(this.directory)) {
      rmSync(join(this.directory, name), { recursive: true });
    }
    const { one, two } = this.#releases;
    linkSync(scene === "one" || scene === "back" ? one.path : two.path, this.path);
    if (scene === "one" || scene === "only two") return;
    if (scene !== "back") linkSync(one.path, this.#beside("previous"));
    if (scene === "two") return;
    const { region, table, record } = two.executable;
    const header = pendingHeader(region, table.root.toHex(), record.record.version.text);
    const starts = scene === "on probation" ? "" : `${GONE}\n`.repeat(3);
    const end = scene === "back" ? "back\n" : "";
    writeFileSync(this.#beside("pending"), header + starts + end, { mode: 0o600 });
  }

  /** What is wrong; undefined when all is as it must be. Repairs nothing but by what users do: start it, wait. */
  async problem(scenario: Scenario, fault?: Fault): Promise<string | undefined> {
    try {
      return (
        (await this.#noise()) ??
        this.#incomplete() ??
        // There a start that ends well would make up for what has happened.
        (scenario.scene === "on probation" ? undefined : await this.#unhealthy(scenario)) ??
        (await this.#inability(scenario, fault)) ??
        (await this.#unhealthy(scenario)) ??
        (await this.#laterUpdate(scenario)) ??
        this.#leftovers()
      );
    } catch (cause) {
      return cause instanceof Error ? cause.message : String(cause);
    }
  }

  #incomplete(): string | undefined {
    if (this.#installed() === undefined) return "another file at the path";
    return (statSync(this.path).mode & 0o7777) === MODE ? undefined : "another mode";
  }

  /** Starts it, which is also how it proves itself. A made-up version cannot say that it is healthy. */
  async #unhealthy({ scene }: Scenario): Promise<string | undefined> {
    if (this.#rehearse === undefined) {
      if (scene !== "back") rmSync(this.#beside("pending"), { force: true });
      return undefined;
    }
    const ending = await run({ argv: [this.path] });
    const version = this.#installed()?.executable.record.record.version.text;
    if (ending.exitCode === 0 && ending.stdout === `${version}\n`) return undefined;
    return `it does not start: ${JSON.stringify(ending)}`;
  }

  /** What was disturbed must still be possible. */
  async #inability(scenario: Scenario, fault?: Fault): Promise<string | undefined> {
    const { becomes, program, mayRefuse } = scenario;
    if (becomes === undefined) return undefined;
    const wanted = this.#releases[becomes];
    // Time passes.
    rmSync(this.#beside("stamp"), { force: true });
    const ending = await run(program(this));
    const noise = await this.#noise();
    if (noise !== undefined) return noise;
    if (this.#installed() === wanted) return undefined;
    const isRefusable = fault !== undefined && mayRefuse?.(fault) === true;
    if (isRefusable && (await this.#install(wanted)) === "REFUSED") return undefined;
    return `done again, it is not version ${becomes}: ${JSON.stringify(ending)}`;
  }

  async #laterUpdate({ refusesTwo = false }: Scenario): Promise<string | undefined> {
    const { two, three } = this.#releases;
    for (const what of ["lock", "helper"] as const) {
      const lock = tryLock(this.#beside(what));
      if (lock === undefined) return `the file ${what} is locked`;
      lock.release();
    }
    if (refusesTwo) {
      const code = await this.#install(two);
      if (code !== "REFUSED") return `the failed version is not refused: ${code || "installed"}`;
    }
    const code = await this.#install(three);
    if (code !== "") return `no later update: ${code}`;
    return this.#installed() === three ? undefined : "the later update is not there";
  }

  #leftovers(): string | undefined {
    const known = [this.path, ...STAYS.map((what) => this.#beside(what))];
    const strays = readdirSync(this.directory).filter(
      (name) => !known.includes(join(this.directory, name)),
    );
    return strays.length === 0 ? undefined : `left over: ${strays.join(" ")}`;
  }

  /** Who was started in the background ends by itself. */
  async #noise(): Promise<string | undefined> {
    const endMs = performance.now() + QUIET_TIMEOUT_MS;
    while (performance.now() < endMs) {
      if (this.#running().length === 0) return undefined;
      await Bun.sleep(20);
    }
    const pids = this.#running();
    for (const pid of pids) process.kill(pid, "SIGKILL");
    return `still running: ${pids.join(" ")}`;
  }

  /** Processes of the executables in here. */
  #running(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^[0-9]+$/.test(name))
      .filter((pid) => imageOf(pid).startsWith(`${this.directory}/`))
      .map(Number);
  }

  #installed(): Release | undefined {
    const digest = digestOf(this.path);
    return Object.values(this.#releases).find((one) => one.digest === digest);
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

  #beside(what: OwnFile): string {
    return pathBeside(this.path, what);
  }
}

function imageOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    // It has ended.
    return "";
  }
}
