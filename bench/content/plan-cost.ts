import { ChunkPlan } from "../../src/content/plan.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { open } from "./transfer.ts";

/** CPU for finding out what of `next` is missing where `old` is installed: cutting, hashing, comparing. */
export function planCpuSeconds(old: string, next: string): number {
  const [from, to] = [open(old), open(next)];
  const cpu = process.cpuUsage();
  const table = ChunkTable.ofStream(from.stream);
  const { missing } = new ChunkPlan(to.executable.table, table);
  const { user, system } = process.cpuUsage(cpu);
  if (missing.length === 0) throw new Error("nothing is missing");
  for (const file of [from, to]) file.close();
  return (user + system) / 1e6;
}
