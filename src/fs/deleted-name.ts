/** What the kernel appends to the name of a running file that was replaced (proc(5), /proc/pid/exe). */
const DELETED_SUFFIX = " (deleted)";

/**
 * The name that a running program's file has or had. A start that another one overtakes, which puts another version
 * there before this one has asked, is told a name that nothing has. Loads nothing: every start of an app asks.
 */
export function withoutDeletedSuffix(path: string): string {
  // A program may really be called so. Bun asks for the size at once, and 0 is what a missing file has.
  if (!path.endsWith(DELETED_SUFFIX) || Bun.file(path).size > 0) return path;
  return path.slice(0, -DELETED_SUFFIX.length);
}
