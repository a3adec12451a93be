/** In the place of src/update/rehearse.ts, for executables that cannot be started. */
export { noRehearsal as rehearse } from "../helpers/install.ts";
