/** `import path from "./region.bin" with { type: "file" }`: where the asset lies at run time. */
declare module "*.bin" {
  const path: string;
  export default path;
}
