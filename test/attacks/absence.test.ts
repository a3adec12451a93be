import { expect, test } from "bun:test";
import { join } from "node:path";
import { hasTwoHosts } from "./two-hosts.ts";

// Whole hours, and their figures: bun test/attacks/absence.ts
const PROGRAM = join(import.meta.dir, "absence.ts");
const MINUTES = "20";

async function ends(...options: readonly string[]): Promise<number> {
  const command = [process.execPath, PROGRAM, ...options, "--minutes", MINUTES];
  const child = Bun.spawn(command, { stdio: ["ignore", "inherit", "inherit"], timeout: 170_000 });
  return child.exited;
}

test("when all who have it are killed, a download goes on with what is there as soon as others come", async () => {
  expect(await ends("gone", "--restarted")).toBe(0);
}, 180_000);

test.skipIf(!hasTwoHosts())(
  "after its own network was away, a download goes on, with the version that has come meanwhile",
  async () => {
    expect(await ends("offline")).toBe(0);
  },
  180_000,
);
