// Runs under Node: executes programs on the real sodium-native and prints what they did.
//
// stdin:  { programs: [{ slab: hex, calls: [{ name, args }] }] }
// stdout: { constants, results: [{ slab: hex, outcomes: [{ value } | { error }] }] }
//
// An argument is { at: [offset, length] } (a view of the program's one buffer), { list: [[offset, length]] }
// or { value }. The call "flip" with one view inverts its first byte.
const sodium = require("sodium-native");

function run({ slab: hex, calls }) {
  const slab = Buffer.from(new Uint8Array(Buffer.from(hex, "hex")).buffer);
  const view = ([offset, length]) => slab.subarray(offset, offset + length);
  const outcomes = calls.map(({ name, args }) => {
    const values = args.map((arg) => {
      if (arg.at !== undefined) return view(arg.at);
      if (arg.list !== undefined) return arg.list.map(view);
      return arg.value;
    });
    if (name === "flip") {
      values[0][0] ^= 0xff;
      return {};
    }
    try {
      return { value: sodium[name](...values) };
    } catch (error) {
      return { error: error.message };
    }
  });
  return { slab: slab.toString("hex"), outcomes };
}

let input = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (text) => (input += text));
process.stdin.on("end", () => {
  const { programs } = JSON.parse(input);
  const constants = Object.fromEntries(
    Object.entries(sodium).filter(([, value]) => typeof value === "number"),
  );
  process.stdout.write(JSON.stringify({ constants, results: programs.map(run) }));
});
