import type { StartMessage } from "../../src/patcher/protocol.ts";

/** What the helper of the background mode is told: to look in this DHT, and to serve nobody. */
export function startOf(execPath: string, bootstrap: string): StartMessage {
  return {
    type: "start",
    execPath,
    verbosity: "silent",
    overrides: {},
    environment: { bootstrap, upload: "off" },
  };
}
