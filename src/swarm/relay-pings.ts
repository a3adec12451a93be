/**
 * A listening server pings the three nodes that relay handshakes to it every 3 s, 120 datagrams a minute while
 * nothing happens, so that NATs on the way keep letting them in. RFC 8085, section 3.5: keep-alives are not sent
 * more often than every 15 s. The longest that common NATs forget after is 30 s (RFC 9000, section 10.1.2).
 *
 * A server that was offline when it announced itself has no relays of which one could be missed, and nobody reaches it
 * until it announces itself anew: here after the next pause, and not within five minutes.
 */
import type { Server } from "@hyperswarm/dht";

const PING_EVERY_MS = 15_000;
/** HyperDHT looks for closer nodes after 100 pauses, five minutes of them; they forget us after twenty. */
const PAUSES_PER_REFRESH = 20;

/** Must be called when `server` listens: its announcer is made by then, and lasts as long as it listens. */
export function pingRelaysLessOften(server: Pick<Server, "_announcer">): void {
  const announcer = server._announcer;
  if (announcer === null) return;
  const { _sleeper: sleeper } = announcer;
  const pause = sleeper.pause.bind(sleeper);
  let pauses = 0;
  sleeper.pause = async () => {
    await pause(PING_EVERY_MS);
    if (++pauses % PAUSES_PER_REFRESH === 0 || announcer.relays.length === 0) announcer.refresh();
  };
}
