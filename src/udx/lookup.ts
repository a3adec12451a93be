/** Name resolution through the operating system's resolver (udx-native udx.lookup). */
import { lookup as dnsLookup } from "node:dns/promises";

export interface LookupOptions {
  /** 4 or 6 to restrict the answer, 0 for either. */
  readonly family?: 0 | 4 | 6;
}

export interface LookupResult {
  readonly host: string;
  readonly family: 4 | 6;
}

/** First address of a name. @throws the resolver's error, with `code`. */
export async function lookupHost(host: string, options: LookupOptions = {}): Promise<LookupResult> {
  const { address, family } = await dnsLookup(host, { family: options.family ?? 0 });
  return { host: address, family: family === 6 ? 6 : 4 };
}
