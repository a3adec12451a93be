/** A network namespace with nothing but loopback, in which what one process sends can be held to a rate. */

const SETTLE_TRIES = 50;

export class Namespace {
  readonly #holder: Bun.Subprocess;

  private constructor(holder: Bun.Subprocess) {
    this.#holder = holder;
  }

  /** Undefined where there can be none. It belongs to a process and vanishes with it. */
  static async create(): Promise<Namespace | undefined> {
    const tools = ["unshare", "nsenter", "setpriv", "ip", "tc", "ss"];
    if (process.getuid?.() !== 0 || tools.some((tool) => Bun.which(tool) === null))
      return undefined;
    const namespace = new Namespace(
      Bun.spawn(["unshare", "--net", "setpriv", "--pdeathsig", "KILL", "sleep", "1200"]),
    );
    // The process is there before it is in its namespace.
    for (let tries = 0; tries < SETTLE_TRIES; tries++) {
      await Bun.sleep(20);
      if (namespace.#run("ip", "-o", "link", "show", "up").trim() === "") break;
    }
    namespace.#run("ip", "link", "set", "lo", "up");
    return namespace;
  }

  /** In front of a command that is to run inside. */
  get prefix(): readonly string[] {
    return ["nsenter", "--target", String(this.#holder.pid), "--net"];
  }

  /** Everything that this process's sockets send from now on, by a queue of a tenth of a second. */
  limit(pid: number, bitsPerS: number): void {
    const ports = [...this.#run("ss", "-Hlunp").matchAll(/:(\d+) .*pid=(\d+)/g)].flatMap(
      ([, port, owner]) => (Number(owner) === pid ? [port ?? ""] : []),
    );
    if (ports.length === 0) throw new Error("the process has no sockets");
    const tc = (...args: readonly string[]): string => this.#run("tc", ...args);
    const onLo = ["dev", "lo"];
    tc("qdisc", "add", ...onLo, "root", "handle", "1:", "htb", "default", "1");
    tc("class", "add", ...onLo, "parent", "1:", "classid", "1:1", "htb", "rate", "10gbit");
    const rate = ["rate", `${bitsPerS}bit`, "burst", "16k", "cburst", "16k"];
    tc("class", "add", ...onLo, "parent", "1:", "classid", "1:2", "htb", ...rate);
    const limit = String(Math.round(bitsPerS / 8 / 10));
    tc("qdisc", "add", ...onLo, "parent", "1:2", "bfifo", "limit", limit);
    for (const port of ports) {
      const match = ["u32", "match", "ip", "sport", port, "0xffff", "flowid", "1:2"];
      tc("filter", "add", ...onLo, "parent", "1:", "protocol", "ip", "prio", "1", ...match);
    }
  }

  async destroy(): Promise<void> {
    this.#holder.kill("SIGKILL");
    await this.#holder.exited;
  }

  #run(...command: readonly string[]): string {
    const { exitCode, stdout, stderr } = Bun.spawnSync([...this.prefix, ...command]);
    if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString().trim()}`);
    return stdout.toString();
  }
}
