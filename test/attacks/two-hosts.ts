/** Two machines in namespaces of their own, with a cable that can be pulled. */

const INSIDE = "TEST_TWO_HOSTS";
const TOOLS = ["unshare", "nsenter", "setpriv", "ip", "sh"];
const SETTLE_TRIES = 50;
/** Of the machine that this program is on. */
export const HOST = "10.77.0.1";
const OTHER_HOST = "10.77.0.2";

export function hasTwoHosts(): boolean {
  return process.getuid?.() === 0 && TOOLS.every((tool) => Bun.which(tool) !== null);
}

/** Starts this program again, as the same process, in a network of its own. */
export function enterOwnNetwork(): void {
  if (process.env[INSIDE] !== undefined) return;
  const unshare = Bun.which("unshare");
  if (unshare === null) throw new Error("there is no unshare");
  const argv = [process.execPath, ...process.argv.slice(1)];
  const enter = 'ip link set lo up && exec "$@"';
  process.execve?.(unshare, ["unshare", "--net", "sh", "-c", enter, "sh", ...argv], {
    ...process.env,
    [INSIDE]: "1",
  });
}

export class OtherHost {
  readonly #holder: Bun.Subprocess;

  private constructor(holder: Bun.Subprocess) {
    this.#holder = holder;
  }

  /** It belongs to a process and vanishes with it. */
  static async create(): Promise<OtherHost> {
    const host = new OtherHost(
      Bun.spawn(["unshare", "--net", "setpriv", "--pdeathsig", "KILL", "sleep", "1200"]),
    );
    // The process is there before it is in its namespace.
    for (let tries = 0; tries < SETTLE_TRIES; tries++) {
      await Bun.sleep(20);
      if (run(...host.prefix, "ip", "-o", "link", "show", "up").trim() === "") break;
    }
    run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there");
    run("ip", "link", "set", "there", "netns", String(host.#holder.pid));
    run("ip", "addr", "add", `${HOST}/24`, "dev", "here");
    run("ip", "link", "set", "here", "up");
    run(...host.prefix, "ip", "link", "set", "lo", "up");
    run(...host.prefix, "ip", "addr", "add", `${OTHER_HOST}/24`, "dev", "there");
    host.plug(true);
    return host;
  }

  /** In front of a command that is to run on it. */
  get prefix(): readonly string[] {
    return ["nsenter", "--target", String(this.#holder.pid), "--net"];
  }

  plug(isIn: boolean): void {
    run(...this.prefix, "ip", "link", "set", "there", isIn ? "up" : "down");
  }

  async destroy(): Promise<void> {
    this.#holder.kill("SIGKILL");
    await this.#holder.exited;
  }
}

function run(...command: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString().trim()}`);
  return stdout.toString();
}
