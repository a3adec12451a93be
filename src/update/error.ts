import { RustpatcherError } from "../core/error.ts";

export type UpdateErrorCode =
  /** Step 2: of an owner key that is not followed, any more or yet. */
  | "WRONG_OWNER"
  /** Step 2: a record for another app, target or channel than ours. */
  | "WRONG_TARGET"
  /** Step 2: dated further in the future than clocks may differ. */
  | "FROM_FUTURE"
  /** Step 2: older than the newest record seen. */
  | "RECORD_STALE"
  /** Step 2: newer, but with a version below one that was seen: a rollback. */
  | "VERSION_BELOW_FLOOR"
  /** Step 2: a release of a version that the owner has withdrawn; a later one needs a higher version. */
  | "WITHDRAWN"
  /** Step 2: the newest record is past its end. */
  | "EXPIRED"
  /** Step 2: the release asks for a version in between first. */
  | "BRIDGE_REQUIRED"
  /** Step 2: this release was tried and could not be run here. */
  | "REFUSED"
  /** Step 1: nothing newer for a suspiciously long time; somebody may be hiding releases from us. */
  | "FREEZE_SUSPECTED"
  /** The state file beside the executable cannot be used. */
  | "STATE_INVALID"
  /** Updates are not installed on this system. */
  | "PLATFORM_UNSUPPORTED"
  /** Step 5: the directory cannot be written to, or has no hard links. */
  | "DIRECTORY_READ_ONLY"
  /** Step 5: there is no room for the new executable; `missingBytes` says how much. */
  | "DISK_FULL"
  /** Step 7: others may write to the directory, or it belongs to somebody else. */
  | "DIRECTORY_UNSAFE"
  /** Step 7: not a plain file of ours, setuid, or with something that the new file could not have. */
  | "EXECUTABLE_UNSAFE"
  /** The environment says which channel is followed, and the app asks for another one. */
  | "CHANNEL_FIXED"
  /** Another copy of this executable is updating it. */
  | "BUSY"
  /** The executable is not the file that was running or installed by us. */
  | "EXECUTABLE_CHANGED"
  /** Step 5: a chunk of the installed executable is not what its table says. */
  | "LOCAL_CHUNK_CHANGED"
  /** Step 6: the assembled file is valid, but is not what was announced. */
  | "NOT_AS_ANNOUNCED"
  /** Steps 5 to 7: the operating system refused; `cause` says what. */
  | "IO_FAILED"
  /** Step 7: after the rename another file was in place; the previous version was put back. */
  | "SWAPPED"
  /** Step 7: started before it was installed, the new version did not run, or was another program. */
  | "REHEARSAL_FAILED"
  /** Step 7: started before it was installed, the new version did not answer in time. */
  | "TOO_SLOW"
  /** Step 7: the running version is still on probation, so what came before it has to stay. */
  | "ON_PROBATION"
  /** Step 9: the running version was healthy and has ended badly several times since; it stays. */
  | "UNSTABLE"
  /** There is no previous version of this program to go back to. */
  | "NO_PREVIOUS"
  /** Step 8: the new version could not be started; the previous version was put back. */
  | "RESTART_FAILED"
  | "TIMED_OUT"
  | "STOPPED";

export class UpdateError extends RustpatcherError<UpdateErrorCode> {}
