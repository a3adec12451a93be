// What `udx-native` resolves to. CommonJS, because dht-rpc does `const UDX = require("udx-native")`
// and uses the result as the class, and Bun's bundler turns a required ES module into a namespace.
const { UDX } = require("../../src/udx/udx.ts") as typeof import("../../src/udx/udx.ts");
module.exports = UDX;
