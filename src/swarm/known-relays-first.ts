/**
 * HyperDHT looks for a peer in the DHT even while it asks the nodes that led to that peer last time: ten datagrams, and a
 * third of what connecting costs. Here the search has to wait, and does not begin at all when the known nodes lead to the
 * peer meanwhile.
 */
import type HyperDHT from "@hyperswarm/dht";
import type { PeerQuery, Session } from "@hyperswarm/dht";
import { type Clock, systemClock } from "../core/clock.ts";

/** What attempts on one peer are apart by. RFC 8305 section 8. */
const HEAD_START_MS = 250;

/** Must be called in the tick the node is constructed in. */
export function knownRelaysFirst(
  node: Pick<HyperDHT, "findPeer">,
  clock: Clock = systemClock,
): void {
  const findPeer = node.findPeer.bind(node);
  node.findPeer = (target, options = {}) => {
    const query = findPeer(target, options);
    const { nodes, session } = options;
    // lib/connect.js names nodes exactly when it asks them on its own as well.
    if (nodes && nodes.length > 0 && session) holdBack(query, session, clock);
    return query;
  };
}

function holdBack(query: PeerQuery, session: Session, clock: Clock): void {
  const open = query._open.bind(query);
  query._open = (callback) => {
    const endSession = session.destroy.bind(session);
    let isHeld = true;
    const release = (isNeeded: boolean): void => {
      if (!isHeld) return;
      isHeld = false;
      cancel();
      session.destroy = endSession;
      if (isNeeded) {
        void open(callback);
        return;
      }
      query._read = (done) => {
        query.push(null);
        done(null);
      };
      callback(null);
    };
    const cancel = clock.after(HEAD_START_MS, () => release(true));
    query._predestroy = () => release(false);
    // Called once a node has led to the peer, and when there is nothing to connect any more.
    session.destroy = (error) => {
      endSession(error);
      release(false);
    };
  };
}
