import type { Target } from "../core/target.ts";

/** What the header of an executable says about the machine it is for. */
export interface Machine {
  readonly os: "linux" | "darwin" | "windows";
  readonly arch: "x64" | "arm64";
  /** Of an ELF file with an interpreter; undefined everywhere else. */
  readonly libc: "glibc" | "musl" | undefined;
}

/** The target that a header stands for. "baseline" is invisible in it and never assumed. */
export function targetOf(machine: Machine): Target {
  const { os, arch } = machine;
  return os === "linux" && machine.libc === "musl" ? `linux-${arch}-musl` : `${os}-${arch}`;
}

/** True when an executable with this header may carry this target. */
export function isForTarget(machine: Machine, target: Target): boolean {
  const [os, arch, ...rest] = target.split("-");
  if (os !== machine.os || arch !== machine.arch) return false;
  return machine.libc === undefined || (machine.libc === "musl") === rest.includes("musl");
}
