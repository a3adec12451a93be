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
      const result = Promise.resolve()
        .then(() => commands[command](fields))
        .catch((error) => ({ error: error.stack ?? String(error) }));
      last = last.then(async () => {
        process.stdout.write(`${JSON.stringify((await result) ?? {})}\n`);
      });
    }
  });
  process.stdin.on("end", () => process.exit(0));
}

export function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
