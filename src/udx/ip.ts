/** IP literals. node:net decides what is one; udx-native's own patterns accept the same. */
import { isIP as netIsIP } from "node:net";
import { usageError } from "./error.ts";

const MAPPED_PREFIX = "::ffff:";

export function isIPv4(host: string): boolean {
  return netIsIP(host) === 4;
}

export function isIPv6(host: string): boolean {
  return netIsIP(host) === 6;
}

/** 4, 6, or 0 when `host` is no IP literal. */
export function isIP(host: string): 0 | 4 | 6 {
  const family = netIsIP(host);
  return family === 4 || family === 6 ? family : 0;
}

/** Family of an IP literal. @throws {UdxError} EINVAL for anything else. */
export function familyOf(host: string): 4 | 6 {
  const family = isIP(host);
  if (family === 0) throw usageError("EINVAL", `${host} is not a valid IP address`);
  return family;
}

/** A source address as the kernel reports it on a dual-stack socket, in the form consumers compare. */
export function normalizeHost(host: string): string {
  if (host.startsWith(MAPPED_PREFIX) && host.includes(".")) return host.slice(MAPPED_PREFIX.length);
  const zone = host.indexOf("%");
  return zone === -1 ? host : host.slice(0, zone);
}

/** Whether an IP literal names this host. */
export function isLoopback(host: string): boolean {
  return host.startsWith("127.") || host === "::1";
}

/** @throws {UdxError} EINVAL unless 1 ≤ port ≤ 65535. */
export function checkPort(port: number): void {
  if (!isPort(port)) throw usageError("EINVAL", `${port} is not a valid port`);
}

export function isPort(port: number): boolean {
  return port > 0 && port < 65_536;
}
