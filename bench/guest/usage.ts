/** What a process uses, as /proc and strace tell it. */
import { readFileSync } from "node:fs";

const TICKS_PER_S = 100;
const KIB_PER_MB = 1000 / 1.024;

export interface Usage {
  readonly residentMb: number;
  readonly anonymousMb: number;
  readonly cpuS: number;
}

/** In front of a command line: its calls that send and receive are written to `trace`. */
export function straced(trace: string): string[] {
  const calls = "trace=sendto,sendmsg,sendmmsg,recvfrom,recvmsg,recvmmsg";
  return ["strace", "-D", "-f", "-qq", "-e", calls, "-o", trace];
}

/** Sent and received so far. */
export function countDatagrams(trace: string): number {
  return readFileSync(trace, "latin1")
    .split("\n")
    .map((line) => {
      // Which interfaces there are is asked of the kernel, by messages that go nowhere else.
      if (line.includes("AF_NETLINK")) return 0;
      // Answers on a Unix or event descriptor are none of ours; an error is no datagram.
      const [, call, result] = /(\w+)(?:\(| resumed).* = (\d+)$/.exec(line) ?? [];
      if (call === undefined || result === undefined || !/^(send|recv)/.test(call)) return 0;
      return call.endsWith("mmsg") ? Number(result) : 1;
    })
    .reduce((sum, count) => sum + count, 0);
}

export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const megabytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / KIB_PER_MB;
  // proc_pid_stat(5): utime and stime are the 14th and 15th field; the 2nd is in parentheses.
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  const cpuS = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  return { residentMb: megabytes("VmRSS"), anonymousMb: megabytes("RssAnon"), cpuS };
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
