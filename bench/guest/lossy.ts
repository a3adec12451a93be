/** A network of our own that loses packets: a namespace with nothing but a loopback on which nftables drops UDP. */

const INSIDE = "BENCH_LOSSY";
const TOOLS = ["unshare", "ip", "nft", "sh"];

/**
 * Starts this program again, as the same process, where `percent` of all UDP packets are lost. Returns what it came to:
 * a sentence for people. Everything vanishes with the process.
 */
export function enterLossyNetwork(percent: number): string {
  if (process.env[INSIDE] !== undefined) return `${percent} % of all UDP packets are lost`;
  const unshare = Bun.which("unshare");
  if (
    process.getuid?.() !== 0 ||
    unshare === null ||
    TOOLS.some((tool) => Bun.which(tool) === null)
  )
    return `no packet is lost: that needs root and ${TOOLS.join(", ")}`;
  const rule = `add table inet loss; add chain inet loss input { type filter hook input priority 0; }; add rule inet loss input meta l4proto udp numgen random mod 100 < ${percent} drop`;
  const enter = `ip link set lo up && nft '${rule}' && exec "$@"`;
  const argv = [process.execPath, ...process.argv.slice(1)];
  const env = { ...process.env, [INSIDE]: "1" };
  process.execve?.(unshare, ["unshare", "--net", "sh", "-c", enter, "sh", ...argv], env);
  return "no packet is lost: this system cannot start a program in place";
}
