/**
 * Ways into the swarm that an earlier run has seen, beside the executable: a CBOR map
 *
 *   format  uint   1
 *   nodes   bytes  6 each: IPv4 address, port u16 BE; DHT nodes
 *   peers   bytes  32 each: keys of peers that had proved to belong to the swarm
 *
 * No addresses of peers: the DHT knows under which a key can be reached today, and then nobody who was once
 * met decides what we connect to. Nodes and peers are treated as any stranger; nothing depends on the file.
 */
import { concat } from "../core/bytes.ts";
import { decodeCbor, encodeCbor, type CborValue } from "../core/cbor.ts";
import { Fields } from "../core/fields.ts";
import { CONTACT_NODES_MAX, CONTACT_PEERS_MAX, CONTACTS_FILE_MAX_BYTES } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { readOwnFile, writeOwnFile } from "../fs/own-file.ts";
import type { Contacts } from "../swarm/swarm.ts";
import type { Installation } from "./installation.ts";
import { messageOf } from "./reporter.ts";

const FORMAT = 1;
const KEY_BYTES = 32;
const NODE_BYTES = 6;
const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

type Node = Contacts["nodes"][number];

/** Undefined when there are none that can be used. */
export function readContacts(installation: Installation, log: Log): Contacts | undefined {
  try {
    const bytes = readOwnFile(installation.contactsPath, CONTACTS_FILE_MAX_BYTES);
    return bytes === undefined ? undefined : decodeContacts(bytes);
  } catch (cause) {
    log("debug", `the peers of the last run were not used: ${messageOf(cause)}`);
    return undefined;
  }
}

/** Replaces the file, unless there is nothing to remember. A failure is said and left. */
export function writeContacts(installation: Installation, contacts: Contacts, log: Log): void {
  // Who has met nobody is offline: what was known before is worth more.
  if (contacts.nodes.length === 0 && contacts.peers.length === 0) return;
  try {
    installation.checkSafe();
    const { contactsPath, temporaryBase } = installation;
    writeOwnFile(contactsPath, encodeContacts(contacts), "name", temporaryBase);
  } catch (cause) {
    log("debug", `the peers of this run were not noted: ${messageOf(cause)}`);
  }
}

/** @internal */
export function encodeContacts({ nodes, peers }: Contacts): Uint8Array {
  return encodeCbor(
    new Map<string, CborValue>([
      ["format", FORMAT],
      ["nodes", concat(...nodes.slice(0, CONTACT_NODES_MAX).flatMap(encodeNode))],
      ["peers", concat(...peers.slice(0, CONTACT_PEERS_MAX))],
    ]),
  );
}

/** @internal @throws {CoreError} when it is anything else. */
export function decodeContacts(bytes: Uint8Array): Contacts {
  const fields = new Fields(decodeCbor(bytes));
  fields.uint("format", FORMAT, FORMAT);
  const nodes = pieces(fields.take("nodes"), NODE_BYTES, CONTACT_NODES_MAX).map(decodeNode);
  const peers = pieces(fields.take("peers"), KEY_BYTES, CONTACT_PEERS_MAX);
  fields.end();
  return { nodes: nodes.filter(({ port }) => port > 0), peers };
}

function pieces(value: CborValue | undefined, sizeBytes: number, max: number): Uint8Array[] {
  if (!(value instanceof Uint8Array) || value.length > max * sizeBytes) return [];
  return Array.from({ length: Math.floor(value.length / sizeBytes) }, (_, index) =>
    value.slice(index * sizeBytes, (index + 1) * sizeBytes),
  );
}

function encodeNode({ host, port }: Node): Uint8Array[] {
  const [, ...numbers] = IPV4.exec(host) ?? [];
  if (numbers.length !== 4) return [];
  return [Uint8Array.of(...numbers.map(Number), port >>> 8, port & 0xff)];
}

function decodeNode(bytes: Uint8Array): Node {
  const [a = 0, b = 0, c = 0, d = 0, high = 0, low = 0] = bytes;
  return { host: `${a}.${b}.${c}.${d}`, port: high * 256 + low };
}
