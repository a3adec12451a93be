import { e2eApp } from "./e2e-app.ts";
import { noise } from "./release.ts";

/** The app of e2e-app.ts with so many bytes of its own that another salt shares nothing of; a third more as text. */
export function blobApp(build: string, salt: number, sizeBytes: number): string {
  const blob = noise(sizeBytes, salt).toBase64();
  return `globalThis.blob = ${JSON.stringify(blob)};\n${e2eApp(build)}`;
}
