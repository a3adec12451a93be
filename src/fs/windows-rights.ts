/** Who may write to a file or directory on Windows, asked from the system, which no API of Bun's does. */
import { dlopen, ptr, read, toArrayBuffer, type Pointer } from "bun:ffi";
import { othersWhoMayWrite } from "./sddl.ts";

const SE_FILE_OBJECT = 1;
/** OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION */
const OWNER_AND_LIST = 5;
const SDDL_REVISION_1 = 1;
const TOKEN_QUERY = 8;
const TOKEN_USER = 1;
/** A TOKEN_USER: a pointer, attributes, and a SID of at most 68 bytes. */
const TOKEN_USER_WORDS = 16;
/** "S-1-" and fifteen numbers of ten digits. */
const SID_TEXT_MAX_LENGTH = 200;

type Api = ReturnType<typeof load>;

let api: Api | undefined;

/**
 * Trustees besides us, the system and its administrators who could change what is at `path`: SIDs, or their
 * two-letter aliases. Throws when the system does not say.
 */
export function othersWhoMayWriteTo(path: string): string[] {
  api ??= load();
  return othersWhoMayWrite(descriptorOf(api, path), ownSid(api));
}

function load() {
  const { symbols: security } = dlopen("advapi32.dll", {
    GetNamedSecurityInfoW: {
      args: ["ptr", "u32", "u32", "ptr", "ptr", "ptr", "ptr", "ptr"],
      returns: "u32",
    },
    ConvertSecurityDescriptorToStringSecurityDescriptorW: {
      args: ["ptr", "u32", "u32", "ptr", "ptr"],
      returns: "i32",
    },
    OpenProcessToken: { args: ["ptr", "u32", "ptr"], returns: "i32" },
    GetTokenInformation: { args: ["ptr", "u32", "ptr", "u32", "ptr"], returns: "i32" },
    ConvertSidToStringSidW: { args: ["ptr", "ptr"], returns: "i32" },
  });
  const { symbols: kernel } = dlopen("kernel32.dll", {
    GetCurrentProcess: { args: [], returns: "ptr" },
    CloseHandle: { args: ["ptr"], returns: "i32" },
    LocalFree: { args: ["ptr"], returns: "ptr" },
  });
  return { ...security, ...kernel };
}

function descriptorOf(system: Api, path: string): string {
  const [descriptor, text] = [new BigUint64Array(1), new BigUint64Array(1)];
  const length = new Uint32Array(1);
  const name = Buffer.from(`${path}\0`, "utf16le");
  const wanted = OWNER_AND_LIST;
  const status = system.GetNamedSecurityInfoW(
    ptr(name),
    SE_FILE_OBJECT,
    wanted,
    null,
    null,
    null,
    null,
    ptr(descriptor),
  );
  if (status !== 0) throw new Error(`the access list of ${path} cannot be read (${status})`);
  try {
    const isText = system.ConvertSecurityDescriptorToStringSecurityDescriptorW(
      pointerIn(descriptor),
      SDDL_REVISION_1,
      wanted,
      ptr(text),
      ptr(length),
    );
    if (isText === 0) throw new Error(`the access list of ${path} cannot be read`);
    try {
      const bytes = toArrayBuffer(pointerIn(text), 0, 2 * (length[0] ?? 0));
      return Buffer.from(bytes).toString("utf16le").replaceAll("\0", "");
    } finally {
      system.LocalFree(pointerIn(text));
    }
  } finally {
    system.LocalFree(pointerIn(descriptor));
  }
}

function ownSid(system: Api): string {
  const [token, text] = [new BigUint64Array(1), new BigUint64Array(1)];
  const user = new BigUint64Array(TOKEN_USER_WORDS);
  const length = new Uint32Array(1);
  if (system.OpenProcessToken(system.GetCurrentProcess(), TOKEN_QUERY, ptr(token)) === 0) {
    throw new Error("the system does not say who runs this program");
  }
  const isKnown =
    system.GetTokenInformation(
      pointerIn(token),
      TOKEN_USER,
      ptr(user),
      user.byteLength,
      ptr(length),
    ) !== 0 && system.ConvertSidToStringSidW(pointerIn(user), ptr(text)) !== 0;
  system.CloseHandle(pointerIn(token));
  if (!isKnown) throw new Error("the system does not say who runs this program");
  try {
    let sid = "";
    for (let at = 0; at < SID_TEXT_MAX_LENGTH; at++) {
      const unit = read.u16(pointerIn(text), 2 * at);
      if (unit === 0) break;
      sid += String.fromCharCode(unit);
    }
    return sid;
  } finally {
    system.LocalFree(pointerIn(text));
  }
}

/** What the system has written into a cell of ours. */
function pointerIn(cell: BigUint64Array): Pointer {
  return Number(cell[0] ?? 0n) as Pointer;
}
