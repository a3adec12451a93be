/**
 * Step 7: the new file gets what the old one has beside its bytes: mode, group, extended attributes, access
 * lists, labels. What cannot be kept is found out before the download, and is a refusal.
 */
import { fchmodSync, fchownSync, fstatSync, type BigIntStats } from "node:fs";
import { attributesOf, giveAttribute, type Attribute } from "../fs/attributes.ts";
import { UpdateError } from "./error.ts";

/** Read, write and execute for everybody; never setuid, setgid or sticky. */
const PERMISSIONS = 0o777n;
/** Privileges that the mode does not show, capabilities(7). Refused, and so never copied. */
const CAPABILITIES = "security.capability";
/** They say something about the bytes, and are the system's to make. */
const OF_THE_CONTENT = ["security.ima", "security.evm"];
/** Notes, access lists, labels. The rest is of the file system's own (trusted.*, system.*). */
const KEPT = /^(user\.|security\.|system\.posix_acl_access$)/;

export function hasCapabilities(path: string): boolean {
  return attributesOf(path).some(({ name }) => name === CAPABILITIES);
}

/**
 * @throws {UpdateError} EXECUTABLE_UNSAFE when something cannot be kept
 */
export function keepProperties(fd: number, path: string, old: BigIntStats): void {
  // In this order: a change of the group clears bits of the mode, a mode without the right to write keeps
  // notes from being attached, and a mode set later would change the access list.
  if (fstatSync(fd, { bigint: true }).gid !== old.gid) giveGroup(fd, path, old);
  const attributes = attributesOf(path).filter(isKept);
  for (const attribute of attributes.filter(isNote)) give(fd, path, attribute);
  fchmodSync(fd, Number(old.mode & PERMISSIONS));
  for (const attribute of attributes.filter((one) => !isNote(one))) give(fd, path, attribute);
}

const isNote = ({ name }: Attribute): boolean => name.startsWith("user.");

function isKept({ name }: Attribute): boolean {
  return KEPT.test(name) && name !== CAPABILITIES && !OF_THE_CONTENT.includes(name);
}

function giveGroup(fd: number, path: string, old: BigIntStats): void {
  try {
    fchownSync(fd, Number(old.uid), Number(old.gid));
  } catch (cause) {
    throw lost(path, `its group ${old.gid}`, cause);
  }
}

function give(fd: number, path: string, attribute: Attribute): void {
  if (!giveAttribute(fd, attribute)) throw lost(path, `its attribute ${attribute.name}`);
}

function lost(path: string, what: string, cause?: unknown): UpdateError {
  return new UpdateError(
    "EXECUTABLE_UNSAFE",
    `${path} is not updated, because the new file could not be given ${what}`,
    { blame: "local", cause, path },
  );
}
