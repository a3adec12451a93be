/**
 * Every socket of this process, closed. On Windows a restart leaves this process behind as the one that
 * waits, and what it listens on would be taken when the new version wants it.
 */

/** Handles are multiples of four, given out from below. A process with more of them than that keeps the rest. */
const HANDLE_STEP = 4;
const HANDLE_MAX = 1 << 18;

/** `closesocket` refuses whatever is not a socket. Resolves with how many there were; 0 where it cannot be done. */
export async function closeSockets(): Promise<number> {
  try {
    // Not at the top: every start of an app would load it.
    const { dlopen } = await import("bun:ffi");
    const { symbols } = dlopen("ws2_32.dll", { closesocket: { args: ["u64"], returns: "i32" } });
    let closed = 0;
    for (let handle = HANDLE_STEP; handle < HANDLE_MAX; handle += HANDLE_STEP) {
      if (symbols.closesocket(handle) === 0) closed++;
    }
    return closed;
  } catch {
    // No machine code may be made at run time: the app's own `beforeRestart` has to do it.
    return 0;
  }
}
