import { ownAssets } from "./assets.ts";
import { PatcherError } from "./error.ts";
import { startFacts } from "./process-facts.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

/** Hashing the largest executable from a slow disk. */
const TIMEOUT_MS = 120_000;

/**
 * One question about this executable to a Worker of its own, which verifies it first and starts nothing.
 * @throws {PatcherError} UNVERIFIED when it is not exactly what its owner signed.
 */
export async function askOnce<T>(
  type: "inspect" | "status",
  answerIn: (message: FromWorker) => T | undefined,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const fail = (reason: string): void =>
    reject(new PatcherError("UNVERIFIED", reason, { blame: "artifact" }));
  const worker = new Worker(ownAssets().workerPath, { name: "rustpatcher-inspect" });
  const timer = setTimeout(() => fail("verifying the executable took too long"), TIMEOUT_MS);
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    const answer = answerIn(data);
    if (answer !== undefined) resolve(answer);
    if (data.type === "unverified") fail(data.error.message);
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    fail(event.message);
  });
  worker.addEventListener("close", () => fail("verifying the executable was interrupted"));
  const request: ToWorker = { type, execPath: startFacts.execPath };
  worker.postMessage(request);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}
