// What `timeout-refresh` resolves to: the two makers that secret-stream calls, on timers that share wake-ups.
const { sharedTimers } = require("./shared-timers.ts") as typeof import("./shared-timers.ts");
type Callback = (this: unknown) => void;
module.exports = {
  once: (ms: number, callback: Callback, context: unknown) =>
    sharedTimers.once(ms, () => callback.call(context)),
  on: (ms: number, callback: Callback, context: unknown) =>
    sharedTimers.every(ms, () => callback.call(context)),
};
