/** Whether to write colours: NO_COLOR (no-color.org), then FORCE_COLOR, then whether it is a terminal. */
import { styleText } from "node:util";

interface Output {
  readonly isTTY?: boolean;
}

export function isColoured(
  output: Output,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  const { NO_COLOR: no = "", FORCE_COLOR: force, TERM: terminal } = environment;
  if (no !== "") return false;
  if (force !== undefined) return force !== "0" && force !== "false";
  return output.isTTY === true && terminal !== "dumb";
}

/** `text` in a colour if `output` is to have any. */
export function paint(
  format: "red" | "green" | "cyan" | "bold" | "dim",
  text: string,
  output: Output = process.stdout,
): string {
  return isColoured(output) ? styleText(format, text, { validateStream: false }) : text;
}
