/** A short coloured timeline: seconds since the start, a mark, what was seen. */

type Colour = "green" | "red" | "cyan" | "grey";
const CODES: Readonly<Record<Colour, string>> = { green: "32", red: "31", cyan: "36", grey: "90" };

export class Timeline {
  readonly #isColoured: boolean;
  readonly #startedMs = performance.now();

  constructor(isColoured: boolean) {
    this.#isColoured = isColoured;
  }

  get elapsedS(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  /** Something that is part of the preparation. */
  note(text: string): void {
    this.#print("grey", "·", text);
  }

  /** A step of the update that was seen. */
  step(name: string, text: string): void {
    this.#print("green", "✓", `${name.padEnd(9)} ${text}`);
  }

  heading(text: string): void {
    this.#print("cyan", "▸", text);
  }

  fail(text: string): void {
    this.#print("red", "✗", text);
  }

  #print(colour: Colour, mark: string, text: string): void {
    const time = `${this.elapsedS.toFixed(1).padStart(5)} s`;
    process.stdout.write(`${this.#paint("grey", time)}  ${this.#paint(colour, mark)} ${text}\n`);
  }

  #paint(colour: Colour, text: string): string {
    return this.#isColoured ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
  }
}

/** `--no-color`, NO_COLOR (no-color.org) and a pipe turn colours off, FORCE_COLOR turns them on. */
export function wantsColour(argv: readonly string[]): boolean {
  if (argv.includes("--no-color") || (process.env["NO_COLOR"] ?? "") !== "") return false;
  return (process.env["FORCE_COLOR"] ?? "") !== "" || process.stdout.isTTY;
}

export function megabytes(sizeBytes: number): string {
  return sizeBytes < 1e6
    ? `${(sizeBytes / 1e3).toFixed(0)} KB`
    : `${(sizeBytes / 1e6).toFixed(1)} MB`;
}
