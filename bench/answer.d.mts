export function answerCommands(
  commands: Readonly<Record<string, (fields: Record<string, unknown>) => unknown>>,
): void;
/** Of this process so far. */
export function cpuSeconds(): number;
export function median(values: readonly number[]): number;
