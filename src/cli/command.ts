import type { ArgsDef, CommandDef } from "citty";

export type Command = CommandDef;

/** A text option, for tables of arguments that several commands share. */
export interface TextArgument {
  readonly type: "string";
  readonly description: string;
  readonly valueHint?: string;
}

/** Checks `run` against its arguments and then forgets their types, which no caller needs. */
export function command<const T extends ArgsDef>(definition: CommandDef<T>): Command {
  return definition as unknown as Command;
}
