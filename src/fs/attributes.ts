/** Extended attributes (xattr(7)): what a file has beside its bytes and mode. */
import { ptr } from "bun:ffi";
import { cString, openLibc } from "./libc.ts";

export interface Attribute {
  readonly name: string;
  readonly value: Uint8Array;
}

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h. */
const MAX_BYTES = 65_536;

const FUNCTIONS = {
  listxattr: { args: ["ptr", "ptr", "u64"], returns: "i64" },
  getxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" },
  fgetxattr: { args: ["i32", "ptr", "ptr", "u64"], returns: "i64" },
  fsetxattr: { args: ["i32", "ptr", "ptr", "u64", "i32"], returns: "i32" },
} as const;

let libc: ReturnType<typeof openLibc<typeof FUNCTIONS>> | "untried" = "untried";

function functions(): ReturnType<typeof openLibc<typeof FUNCTIONS>> {
  if (libc === "untried") libc = openLibc(FUNCTIONS);
  return libc;
}

/** What stands at `path`, which must be no link; nothing where the file system has none, or nobody can ask. */
export function attributesOf(path: string): readonly Attribute[] {
  const c = functions();
  if (c === undefined) return [];
  const file = cString(path);
  const list = filled((at, size) => c.listxattr(ptr(file), at, size));
  const names = new TextDecoder().decode(list).split("\0").filter(Boolean);
  return names.map((name) => {
    const key = cString(name);
    return { name, value: filled((at, size) => c.getxattr(ptr(file), ptr(key), at, size)) };
  });
}

/** Has the open file this attribute, after it was given it when it had not? */
export function giveAttribute(fd: number, { name, value }: Attribute): boolean {
  const c = functions();
  if (c === undefined) return false;
  const key = cString(name);
  const has = (): boolean =>
    filled((at, size) => c.fgetxattr(fd, ptr(key), at, size)).toHex() === value.toHex();
  if (has() && value.length > 0) return true;
  // An empty value has no address of its own.
  const bytes = value.length === 0 ? new Uint8Array(1) : value;
  return c.fsetxattr(fd, ptr(key), ptr(bytes), BigInt(value.length), 0) === 0 && has();
}

function filled(read: (at: ReturnType<typeof ptr>, sizeBytes: bigint) => bigint): Uint8Array {
  const buffer = new Uint8Array(MAX_BYTES);
  const length = Number(read(ptr(buffer), BigInt(MAX_BYTES)));
  return buffer.slice(0, Math.max(0, length));
}
