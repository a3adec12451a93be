/** Type declarations as the package carries them. */
import { Glob } from "bun";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";

const RELATIVE = /((?:from|import)\s*\(?\s*")(\.[^"]+)\.ts"/g;

/**
 * Deletes the declarations in `directory` that no entry leads to, and lets the others name each other by
 * ".js": what every setting of a user's compiler resolves.
 */
export async function keepReachableTypes(
  directory: string,
  entries: readonly string[],
): Promise<void> {
  const reached = new Set<string>();
  const queue = [...entries];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue;
    reached.add(file);
    const path = join(directory, file);
    const text = await Bun.file(path).text();
    for (const [, , target = ""] of text.matchAll(RELATIVE)) {
      queue.push(join(dirname(file), `${target}.d.ts`));
    }
    await Bun.write(path, text.replaceAll(RELATIVE, '$1$2.js"'));
  }
  for await (const file of new Glob("**/*.d.ts").scan({ cwd: directory })) {
    if (!reached.has(file)) rmSync(join(directory, file));
  }
}
