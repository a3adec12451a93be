/** A command-line tool that runs for a moment and is kept up to date all the same: counts lines, words and bytes. */
import { Version } from "rustpatcher";
import "rustpatcher/auto";

if (process.argv.includes("--version")) {
  console.log(String(Version.current() ?? "development"));
  process.exit(0);
}

const text = await Bun.stdin.text();
const words = text.split(/\s+/).filter((word) => word !== "");
console.log(`${text.split("\n").length - 1} ${words.length} ${Buffer.byteLength(text)}`);
