/**
 * Who may write, read out of a security descriptor of Windows in its text form: "O:…G:…D:flags(ace)(ace)…",
 * ace = type;flags;rights;object;inherited object;trustee. Microsoft, "Security Descriptor String Format" and
 * "ACE Strings". Whatever is not understood counts as a right for everybody.
 */

/** The system, its administrators, its installer; and whoever creates something, for what he creates. */
const TRUSTED = [
  "SY",
  "S-1-5-18",
  "BA",
  "S-1-5-32-544",
  "LA",
  "DA",
  "EA",
  "CO",
  "S-1-3-0",
  "OW",
  "S-1-3-4",
  "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
];
/** ACE types that grant something; every other one denies or watches. */
const GRANTS = ["A", "OA", "XA", "ZA"];
const NO_GRANTS = ["D", "OD", "XD", "AU", "OU", "XU", "AL", "OL", "ML", "SP", "RA", "TL", "FL"];
/** Holds for what is made inside, and not for the directory itself: for files, the new version among them, or not. */
const INHERIT_ONLY = "IO";
const FILES_INHERIT = "OI";
/**
 * Nothing of these changes anything. The last four are named after what they mean for a directory service:
 * list, read extended attributes, traverse, read attributes.
 */
const READING = /^(?:GR|GX|FR|FX|RC|CC|SW|WP|LO)*$/;
/** FILE_READ_DATA, READ_EA, EXECUTE, READ_ATTRIBUTES, READ_CONTROL, SYNCHRONIZE, GENERIC_READ and _EXECUTE. */
const READING_MASK = 0xa012_00a9;

/** An entry; a condition in it has parentheses of its own. */
const ACE = String.raw`\(((?:[^()]|\([^()]*\))*)\)`;
const DESCRIPTOR = new RegExp(
  String.raw`^(?:O:(S-[0-9-]+|[A-Z]{2}))?(?:G:(?:S-[0-9-]+|[A-Z]{2}))?D:([A-Z]*)((?:${ACE})*)(?:S:[^]*)?$`,
);

/**
 * Trustees besides `self`, a SID, who may change what is in a directory with this descriptor, or its
 * permissions; its owner among them.
 */
export function othersWhoMayWrite(sddl: string, self: string): string[] {
  const isOther = (trustee: string): boolean => trustee !== self && !TRUSTED.includes(trustee);
  const match = DESCRIPTOR.exec(sddl);
  // No list at all is full access for everybody.
  if (match === null) return ["everybody"];
  const [, owner = "an unknown owner", , entries = ""] = match;
  const writers = [...entries.matchAll(new RegExp(ACE, "g"))].map(([, ace = ""]) => writerOf(ace));
  return [...new Set([owner, ...writers.filter((one) => one !== undefined)])].filter(isOther);
}

function writerOf(ace: string): string | undefined {
  const [type = "", flags = "", rights = "", , , trustee = "somebody"] = ace.split(";");
  if (NO_GRANTS.includes(type)) return undefined;
  if (!GRANTS.includes(type)) return trustee;
  const inheritance: readonly string[] = flags.match(/../g) ?? [];
  if (inheritance.includes(INHERIT_ONLY) && !inheritance.includes(FILES_INHERIT)) return undefined;
  return isReading(rights) ? undefined : trustee;
}

function isReading(rights: string): boolean {
  if (/^0x[0-9a-f]{1,8}$/i.test(rights)) return (Number(rights) & ~READING_MASK) === 0;
  return READING.test(rights);
}
