// The other end of peer-process.ts, under Bun and Node alike: answers each line of stdin with one of stdout, in order.

/** `commands`: name → async (fields) => answer. Ends the process when stdin does. */
export function answerCommands(commands) {
  let rest = "";
  let last = Promise.resolve();
  process.stdin.on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const { command, ...fields } = JSON.parse(line);
      // Started at once, answered in order.
      const previous = last;
      last = run(commands[command], fields).then(async (answer) => {
        await previous;
        return process.stdout.write(`${JSON.stringify(answer)}\n`);
      });
    }
  });
  process.stdin.on("end", () => process.exit(0));
}

async function run(command, fields) {
  try {
    return (await command(fields)) ?? {};
  } catch (error) {
    return { error: error.stack ?? String(error) };
  }
}

export function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
