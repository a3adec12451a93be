/** docs/schema/cli.json as a judge of what the commands print. */
import Ajv from "ajv/dist/2020";
import { join } from "node:path";

const FILE = join(import.meta.dir, "../../docs/schema/cli.json");
const schema = (await Bun.file(FILE).json()) as object;
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true });
ajv.addSchema(schema, "cli");

/** What is wrong with `value` as the output of `command`; an empty text when nothing is. */
export function problemsOf(command: string, value: unknown): string {
  const validate = ajv.getSchema(`cli#/$defs/${command}`);
  if (validate === undefined) throw new Error(`no schema of ${command}`);
  return validate(value) === true ? "" : ajv.errorsText(validate.errors);
}
