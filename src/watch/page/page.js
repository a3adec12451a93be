// @ts-check
/** Writes what the server tells into the page, as text. Rows stay where they are: whoever reads one is not disturbed. */

/**
 * @typedef {{ id: string, version: string, isThere: boolean, lastSeenMs: number, servedBytes: number | null,
 *   clients: number | null, refusal: string | null }} Peer
 * @typedef {{ atMs: number, name: { app: string, target: string, channel: string },
 *   newest: { version: string, publishedMs: number, sizeBytes: number, withdrawn: string | null, notes: string | null } | null, copies: number, onNewest: number,
 *   versions: { version: string, copies: number, withdrawn: boolean }[], servedBytes: number, providers: number, silent: number,
 *   refusals: { code: string, copies: number }[], peers: Peer[], morePeers: number,
 *   log: { number: number, atMs: number, text: string }[], history: { fromMs: number, toMs: number },
 *   chart: { width: number, height: number, max: number, areas: { version: string, path: string }[],
 *     ticks: { copies: number, y: number }[] } }} View
 */

const SVG = "http://www.w3.org/2000/svg";
const COLOURS = 6;
/** Left of the chart, for its numbers. */
const GUTTER = 52;
/** A screen reader is not to be told of each copy by itself. */
const SAY_EVERY_MS = 5_000;

/** @param {string} id */
function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no ${id}`);
  return element;
}

/** @param {Element} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} element @param {string} name @param {string} value */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @param {number} bytes */
function amount(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} KB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @param {number} ms */
function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 2) return "now";
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

/** @param {number} count @param {string} one @param {string} many */
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/**
 * Makes the children of `parent` those of `items`, in order, by key.
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => Element} create
 * @param {(element: Element, item: T) => void} update
 */
function each(parent, items, keyOf, create, update) {
  const old = new Map([...parent.children].map((child) => [child.getAttribute("data-key"), child]));
  items.forEach((item, index) => {
    const key = keyOf(item);
    let child = old.get(key);
    old.delete(key);
    if (child === undefined) {
      child = create(item);
      child.setAttribute("data-key", key);
    }
    update(child, item);
    if (parent.children[index] !== child)
      parent.insertBefore(child, parent.children[index] ?? null);
  });
  for (const child of old.values()) child.remove();
}

/** @param {string[]} classes One for each cell; the first cell is the row's head. */
function row(classes) {
  const tr = document.createElement("tr");
  classes.forEach((name, index) => {
    const cell = document.createElement(index === 0 ? "th" : "td");
    if (index === 0) cell.setAttribute("scope", "row");
    cell.className = name;
    tr.append(cell);
  });
  return tr;
}

/** @param {Element} tr @param {string[]} texts */
function fill(tr, texts) {
  texts.forEach((text, index) => {
    const cell = tr.children[index];
    if (cell !== undefined) write(cell, text);
  });
}

/** Newest first in the chart, which has all versions that ever were. @param {View} view @param {string} version */
function colour(view, version) {
  const index = view.chart.areas.findIndex((area) => area.version === version);
  return `v${index < 0 ? COLOURS - 1 : index % COLOURS}`;
}

/** @param {View} view */
function drawChart(view) {
  const { width, height, areas, ticks } = view.chart;
  set(byId("chart"), "viewBox", `${-GUTTER} -8 ${width + GUTTER} ${height + 16}`);
  each(
    byId("areas"),
    areas,
    (area) => area.version,
    () => document.createElementNS(SVG, "path"),
    (path, area) => {
      set(path, "class", colour(view, area.version));
      set(path, "d", area.path);
    },
  );
  each(
    byId("ticks"),
    ticks,
    (tick) => String(tick.y),
    () => {
      const group = document.createElementNS(SVG, "g");
      group.append(document.createElementNS(SVG, "line"), document.createElementNS(SVG, "text"));
      return group;
    },
    (group, { copies, y }) => {
      const [line, text] = group.children;
      if (line === undefined || text === undefined) return;
      for (const [name, value] of Object.entries({ x1: 0, x2: width, y1: y, y2: y })) {
        set(line, name, String(value));
      }
      set(text, "x", "-10");
      set(text, "y", String(y));
      set(text, "text-anchor", "end");
      set(text, "dominant-baseline", "central");
      write(text, String(copies));
    },
  );
  write(
    byId("chart-text"),
    view.versions.map(({ version, copies }) => `${version}: ${copies}`).join(", "),
  );
  write(byId("from"), new Date(view.history.fromMs).toLocaleTimeString());
}

/** @param {View} view */
function drawTables(view) {
  each(
    byId("versions"),
    view.versions,
    ({ version }) => version,
    () => {
      const tr = row(["", "number", "number"]);
      const [head] = tr.children;
      const swatch = document.createElement("span");
      swatch.setAttribute("aria-hidden", "true");
      head?.append(swatch, document.createElement("span"));
      return tr;
    },
    (tr, { version, copies, withdrawn }) => {
      const [swatch, text] = tr.children[0]?.children ?? [];
      if (swatch !== undefined) set(swatch, "class", `swatch ${colour(view, version)}`);
      if (text !== undefined) write(text, withdrawn ? `${version} (withdrawn)` : version);
      const [, count, share] = tr.children;
      if (count !== undefined) write(count, String(copies));
      if (share !== undefined)
        write(share, `${Math.round((100 * copies) / Math.max(1, view.copies))} %`);
    },
  );
  each(
    byId("peers"),
    view.peers,
    ({ id }) => id,
    () => row(["", "", "", "number", "number", "bad"]),
    (tr, peer) => {
      set(tr, "class", peer.isThere ? "" : "gone");
      fill(tr, [
        peer.id,
        peer.version,
        peer.isThere ? ago(view.atMs - peer.lastSeenMs) : "gone",
        peer.servedBytes === null ? "–" : amount(peer.servedBytes),
        peer.clients === null ? "–" : String(peer.clients),
        peer.refusal ?? "",
      ]);
    },
  );
  write(byId("more"), view.morePeers === 0 ? "" : `and ${view.morePeers} more`);
  each(
    byId("log"),
    view.log,
    ({ number }) => String(number),
    ({ atMs }) => {
      const li = document.createElement("li");
      const time = document.createElement("time");
      time.dateTime = new Date(atMs).toISOString();
      time.textContent = new Date(atMs).toLocaleTimeString();
      li.append(time, document.createElement("span"));
      return li;
    },
    (li, { text }) => {
      const span = li.children[1];
      if (span !== undefined) write(span, text);
    },
  );
}

/** @param {View} view */
function drawTiles(view) {
  const { name, newest, copies, onNewest, servedBytes, providers, silent, refusals, atMs } = view;
  document.title = `${name.app}: ${onNewest} of ${copies} on ${newest?.version ?? "?"}`;
  write(byId("app"), name.app);
  write(byId("scope"), `${name.target} · ${name.channel}`);
  write(byId("newest"), newest?.version ?? "–");
  const size =
    newest === null
      ? ""
      : `${amount(newest.sizeBytes)}, published ${ago(atMs - newest.publishedMs)}`;
  write(byId("published"), size);
  write(byId("share"), copies === 0 ? "–" : `${Math.round((100 * onNewest) / copies)} %`);
  write(byId("of"), `${onNewest} of ${counted(copies, "copy", "copies")}`);
  write(byId("served"), amount(servedBytes));
  const quiet = silent === 0 ? "" : `, ${silent} do not tell`;
  write(byId("providers"), `by ${counted(providers, "copy", "copies")}${quiet}`);
  write(byId("refused"), String(refusals.reduce((sum, { copies: count }) => sum + count, 0)));
  write(
    byId("refusals"),
    refusals.map(({ code, copies: count }) => `${count} × ${code}`).join(", ") || "none",
  );
}

/** What the owner has to say of the newest release. @param {View} view */
function drawOwner({ newest }) {
  const { version = "", withdrawn = null, notes = null } = newest ?? {};
  byId("withdrawn").hidden = withdrawn === null;
  write(
    byId("withdrawn"),
    withdrawn === null ? "" : `${withdrawn} is withdrawn: copies go back to ${version}.`,
  );
  byId("notes-card").hidden = notes === null;
  write(byId("notes"), notes ?? "");
}

let saidMs = -Infinity;
/** @param {View} view */
function say({ copies, onNewest, newest }) {
  const nowMs = performance.now();
  if (nowMs - saidMs < SAY_EVERY_MS) return;
  saidMs = nowMs;
  write(
    byId("live"),
    `${onNewest} of ${copies} copies run ${newest?.version ?? "the newest release"}`,
  );
}

/** @param {"on" | "off"} state @param {string} text */
function connection(state, text) {
  set(byId("connection"), "class", `badge ${state}`);
  write(byId("connection"), text);
}

const source = new EventSource("/events");
source.addEventListener("open", () => connection("on", "live"));
source.addEventListener("error", () => connection("off", "connection lost"));
source.addEventListener("message", ({ data }) => {
  /** @type {View} */
  const view = JSON.parse(data);
  drawTiles(view);
  drawOwner(view);
  drawChart(view);
  drawTables(view);
  say(view);
});
