export type LogLevel = "error" | "warn" | "info" | "debug";
/** Where to say what happens; one line, for people. */
export type Log = (level: LogLevel, text: string) => void;
