/**
 * A provider that can be programmed to lie, over the real transport. Left alone it is honest, so that a
 * test changes one thing and nothing else.
 */
import type HyperDHT from "@hyperswarm/dht";
import type { KeyPair, SecretStream } from "@hyperswarm/dht";
import { asSignature, type ContentRoot } from "../../src/core/brand.ts";
import { toHex } from "../../src/core/bytes.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { SignedRecord } from "../../src/exe/extension.ts";
import { bindingOf } from "../../src/swarm/auth.ts";
import { Holdings, type Holding } from "../../src/swarm/holdings.ts";
import { decodeClientMessage } from "../../src/swarm/decode-messages.ts";
import { encodeProviderMessage } from "../../src/swarm/encode-messages.ts";
import {
  isContentRequest,
  type ClientMessage,
  type ProviderMessage,
  type ContentRequest,
} from "../../src/swarm/messages.ts";
import type { SwarmScope } from "../../src/swarm/scope.ts";

export interface Conversation {
  readonly stream: SecretStream;
  /** How many pieces this client has asked for, this one included. */
  readonly pieces: number;
  say(message: ProviderMessage): void;
  sayRaw(frame: Uint8Array): void;
  hangUp(): void;
  /** What an honest provider would say to this request. */
  honestly(request: ContentRequest): Promise<ProviderMessage>;
}

export interface Behaviour {
  /** The record in the welcome; default: that of the holding. */
  readonly record?: SignedRecord;
  /** What the welcome says it has; default: the holding. */
  readonly roots?: readonly ContentRoot[];
  /** True: handled; false or undefined: answered honestly. */
  onMessage?(message: ClientMessage, talk: Conversation): boolean | void | Promise<boolean>;
}

export interface EvilProvider {
  readonly publicKey: Uint8Array;
  readonly id: string;
  /** What clients sent, hellos excluded. */
  readonly heard: ClientMessage[];
  /** Connections that said hello. */
  visits(): number;
  close(): Promise<void>;
}

export async function evilProvider(
  dht: HyperDHT,
  keyPair: KeyPair,
  scope: SwarmScope,
  holding: Holding,
  behaviour: Behaviour = {},
): Promise<EvilProvider> {
  const holdings = new Holdings(systemClock);
  holdings.add(holding);
  const heard: ClientMessage[] = [];
  let visits = 0;

  const serve = (stream: SecretStream): void => {
    let pieces = 0;
    // One after the other: answers in another order than the requests would be a lie of their own.
    let turn = Promise.resolve();
    const say = (message: ProviderMessage): void =>
      void stream.write(encodeProviderMessage(message));
    const honestly = async (request: ContentRequest): Promise<ProviderMessage> => {
      const answer = await holdings.answer(request);
      const { type, id } = request;
      return typeof answer === "string"
        ? { type: "error", id, reason: answer }
        : { type, id, bytes: answer };
    };
    const welcome = (auth: Uint8Array): void => {
      const { handshakeHash } = stream;
      if (handshakeHash === null) throw new Error("no handshake");
      visits++;
      const binding = bindingOf("provider", scope, auth, handshakeHash);
      const { record = holding.record, roots = holdings.roots } = behaviour;
      say({ type: "welcome", binding, record, roots });
    };
    stream.on("error", () => undefined);
    stream.on("data", (frame) => {
      const message = decodeClientMessage(frame);
      if (message.type === "hello") return welcome(message.auth);
      heard.push(message);
      if (message.type === "piece") pieces++;
      const talk: Conversation = {
        stream,
        pieces,
        say,
        sayRaw: (bytes) => void stream.write(bytes),
        hangUp: () => stream.destroy(),
        honestly,
      };
      turn = turn.then(async () => {
        const isHandled = await behaviour.onMessage?.(message, talk);
        if (isHandled === true) return undefined;
        if (isContentRequest(message)) say(await honestly(message));
        if (message.type === "follow") {
          say({ type: "have", root: message.root, first: 0, bits: new Uint8Array(0) });
        }
        return undefined;
      });
    });
  };
  const server = dht.createServer(serve);
  await server.listen(keyPair);
  return {
    publicKey: keyPair.publicKey,
    id: toHex(keyPair.publicKey),
    heard,
    visits: () => visits,
    close: () => server.close(),
  };
}

/** The same bytes with one bit of the last byte turned. */
export function bent(bytes: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[out.length - 1] = (out.at(-1) ?? 0) ^ 1;
  return out;
}

export function bentSignature({ bytes, signature }: SignedRecord): SignedRecord {
  return { bytes, signature: asSignature(bent(signature)) };
}
