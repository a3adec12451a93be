/** The page: who may ask for it, and what a real browser makes of it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { systemClock } from "../../src/core/clock.ts";
import { parseVersion } from "../../src/core/version.ts";
import { RolloutModel, type Rollout } from "../../src/watch/model.ts";
import { Observer } from "../../src/watch/observer.ts";
import { servePage, type Page } from "../../src/watch/page-server.ts";
import { SwarmWorld } from "../helpers/swarm-world.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";
import { BROWSER_PATH, DESKTOP, openBrowser, openPage, PHONE } from "./browser.ts";

const TIMEOUT_MS = 60_000;
const NAME = { app: "hello", target: "linux-x64", channel: "stable" };

const pages: Page[] = [];
afterEach(async () => {
  for (const page of pages.splice(0)) await page.stop();
});

function serve(rollout: () => Rollout = () => new RolloutModel(0, 1).rollout(0)): Page {
  const page = servePage({ port: 0, name: NAME, rollout });
  pages.push(page);
  return page;
}

describe("the server", () => {
  async function ask(
    path: string,
    headers: Record<string, string> = {},
    method = "GET",
  ): Promise<Response> {
    const response = await fetch(new URL(path, serve().url), { headers, method });
    if (path !== "/events") await response.bytes();
    return response;
  }

  test("gives the page and its parts, with a policy that allows nothing from elsewhere", async () => {
    for (const path of ["/", "/page.css", "/page.js", "/icon.svg"]) {
      const { status, headers } = await ask(path);
      expect([path, status]).toEqual([path, 200]);
      expect(headers.get("content-security-policy")).toStartWith("default-src 'none';");
      expect(headers.get("content-security-policy")).not.toMatch(/unsafe|https?:|\*/);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("access-control-allow-origin")).toBeNull();
    }
    expect((await ask("/nothing")).status).toBe(404);
  });

  test("DNS rebinding: a name that is not ours gets nothing", async () => {
    for (const host of ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1.evil.example"]) {
      expect([host, (await ask("/", { host })).status]).toEqual([host, 421]);
      expect((await ask("/events", { host })).status).toBe(421);
    }
    const page = serve();
    const { port } = new URL(page.url);
    const local = await fetch(page.url, { headers: { host: `localhost:${port}` } });
    expect(local.status).toBe(200);
  });

  test("other sites may not ask, nor embed it; a link may lead here", async () => {
    expect((await ask("/events", { origin: "http://evil.example" })).status).toBe(403);
    expect((await ask("/events", { origin: "null" })).status).toBe(403);
    expect(
      (await ask("/page.js", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }))
        .status,
    ).toBe(403);
    // Another port of this machine.
    expect(
      (await ask("/events", { "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" })).status,
    ).toBe(403);
    const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
    expect((await ask("/", link)).status).toBe(200);
  });

  test("is only for reading", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      expect([method, (await ask("/", {}, method)).status]).toEqual([method, 405]);
    }
  });

  test("listens on loopback alone", () => {
    expect(new URL(serve().url).hostname).toBe("127.0.0.1");
  });

  test("so many listeners, and no more", async () => {
    const page = serve();
    const controller = new AbortController();
    const open = () => fetch(new URL("/events", page.url), { signal: controller.signal });
    // Kept: what is thrown away is hung up.
    const answers: Response[] = [];
    for (let count = 0; count < 17; count++) answers.push(await open());
    expect(answers.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 16 }, () => 200),
      503,
    ]);
    controller.abort();
  });
});

if (BROWSER_PATH === undefined)
  console.log("no Chromium here: the page is not looked at (apt-get install chromium)");

describe.skipIf(BROWSER_PATH === undefined)("in a browser", () => {
  let browser: Browser;
  let world: SwarmWorld;
  beforeAll(async () => {
    [browser, world] = await Promise.all([openBrowser(), SwarmWorld.create()]);
  }, TIMEOUT_MS);
  afterAll(() => Promise.all([browser.close(), world.destroy()]));

  test(
    "a swarm moves from one version to the next",
    async () => {
      const old = world.release({ version: "1.0.0", blocks: 3, header: tinyElf() });
      const next = world.release({
        version: "1.0.1",
        blocks: 3,
        header: tinyElf(),
        publishedS: Math.floor(Date.now() / 1000),
        notes: "All of it is <b>new</b>.",
      });
      const model = new RolloutModel(Date.now(), 6_000);
      const rollout = (): Rollout => model.rollout(Date.now());
      const served = serve(rollout);
      const observer = await Observer.start({
        ...world.scope,
        bootstrap: world.net.bootstrap,
        clock: systemClock,
        log: () => undefined,
        intervalMs: 500,
        onEvent: (event) => model.apply(event, Date.now()),
      });
      world.onDestroy(() => observer.destroy());
      const tick = setInterval(() => {
        model.apply({ type: "tick" }, Date.now());
        served.changed();
      }, 200);
      world.onDestroy(() => clearInterval(tick));

      const [first, second] = [
        await world.swarm({ refusal: () => "DIRECTORY_UNSAFE" }),
        await world.swarm(),
      ];
      first.serve(old);
      second.serve(old);
      const { page, requests, complaints } = await openPage(browser, served.url, {
        ...DESKTOP,
        colorScheme: "light",
      });
      const says = (selector: string, text: string | RegExp): Promise<void> =>
        page.locator(selector, { hasText: text }).waitFor({ timeout: 30_000 });
      await says("#of", "2 of 2 copies");
      await says("#newest", "1.0.0");
      // One tells why it stays behind, the other has opted out.
      await says("#refusals", "1 × DIRECTORY_UNSAFE");
      await says("#providers", "1 do not tell");

      await second.destroy();
      const third = await world.swarm();
      third.serve(next);
      await says("#newest", "1.0.1");
      await says("#notes", "All of it is <b>new</b>.");
      expect(await page.locator("#withdrawn").isVisible()).toBe(false);
      await says("#of", "1 of 2 copies");
      await says("#connection", "live");
      await says("#live", /of 2 copies run 1\.0\.1/);
      await says("#log", "is gone, was on 1.0.0");
      expect(await page.locator("#areas path").count()).toBe(2);
      expect(await page.locator("#versions tr").allTextContents()).toEqual([
        "1.0.1150 %",
        "1.0.0150 %",
      ]);
      expect(await page.locator("#chart-text").textContent()).toBe("1.0.1: 1, 1.0.0: 1");
      // The owner takes it back: copies are to return to the version before.
      const back = world.release({
        version: "1.0.0",
        blocks: 3,
        header: tinyElf(),
        publishedS: next.record.record.publishedS + 1,
        x: { withdrawn: parseVersion("1.0.1") },
      });
      third.tell(back.record);
      await says("#withdrawn", "1.0.1 is withdrawn: copies go back to 1.0.0.");
      await says("#versions", "1.0.1 (withdrawn)");
      await says("#log", "1.0.1 is withdrawn: copies go back to 1.0.0");
      expect(await page.locator("#notes-card").isVisible()).toBe(false);
      expect(requests.filter((url) => !url.startsWith(served.url))).toEqual([]);
      expect(complaints).toEqual([]);
      await page.close();
    },
    TIMEOUT_MS,
  );

  /** Nothing of a copy gets this far unchecked; the page does not rely on it. */
  const HOSTILE = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

  function hostile(): Rollout {
    const model = new RolloutModel(0, 60_000);
    const about = { publishedS: 0, sizeBytes: 1, withdrawn: undefined };
    model.apply({ type: "release", version: "1.0.0", ...about }, 0);
    model.apply({ type: "notes", version: "1.0.0", notes: `New:\n\t${HOSTILE}` }, 0);
    const status = { servedBytes: 5_000, clients: 2, refusal: HOSTILE };
    for (let number = 0; number < 40; number++) {
      model.apply({ type: "met", copy: `${number}${HOSTILE}`, version: "1.0.0", status }, 0);
    }
    model.apply({ type: "tick" }, 0);
    const rollout = model.rollout(1_000);
    return { ...rollout, newest: rollout.newest && { ...rollout.newest, withdrawn: HOSTILE } };
  }

  test(
    "markup from outside stays text",
    async () => {
      const { url } = serve(hostile);
      const { page, complaints } = await openPage(browser, url, {
        ...DESKTOP,
        colorScheme: "dark",
      });
      await page.locator("#peers tr").first().waitFor();
      expect(await page.locator("#peers td.bad").first().textContent()).toBe(HOSTILE);
      expect(await page.locator("#notes").textContent()).toBe(`New:\n\t${HOSTILE}`);
      expect(await page.locator("#withdrawn").textContent()).toContain(HOSTILE);
      expect(await page.locator("main img, main script").count()).toBe(0);
      expect(await page.title()).not.toBe("owned");
      expect(complaints).toEqual([]);
      await page.close();
    },
    TIMEOUT_MS,
  );

  test.each(["light", "dark"] as const)(
    "fits a phone, by keyboard, in %s",
    async (colorScheme) => {
      const { url } = serve(hostile);
      const { page } = await openPage(browser, url, { ...PHONE, colorScheme });
      await page.locator("#peers tr").first().waitFor();
      const facts = await page.evaluate(LOOK);
      expect(facts.overflowPx).toBeLessThanOrEqual(0);
      expect(facts.lowest.ratio).toBeGreaterThanOrEqual(4.5);
      expect(facts.headings).toEqual(["H1", "H2", "H2", "H2", "H2", "H2", "H2"]);
      expect(facts.landmarks).toEqual({ header: 1, main: 1, footer: 1 });
      expect(facts.unscoped).toBe(0);
      // Tab leads to the link past the head, and to what scrolls; each shows where it is.
      const stops: string[] = [];
      for (let count = 0; count < 4; count++) {
        await page.keyboard.press("Tab");
        const stop = await page.evaluate(FOCUS);
        expect(stop.outlinePx).toBeGreaterThanOrEqual(2);
        stops.push(stop.name);
      }
      expect(stops).toEqual(["skip", "notes", "scroll", "log"]);
      await page.close();
    },
    TIMEOUT_MS,
  );
});

/** Runs in the page, which has types of its own. The contrast is that of WCAG 2, of each text to what it stands on. */
const LOOK = `(() => {
  const channel = (c) => { const v = c / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const luminance = (rgb) => { const [r, g, b] = rgb.match(/[\\d.]+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
  const ground = (e) => { for (let at = e; at; at = at.parentElement) { const c = getComputedStyle(at).backgroundColor; if (!/, 0\\)$/.test(c) && c !== "transparent") return c; } return "rgb(255, 255, 255)"; };
  let lowest = { ratio: 21, text: "" };
  for (const e of document.querySelectorAll("main *, header *, footer *")) {
    const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent.trim()).join("");
    if (text === "" || e.closest(".unseen, svg, noscript")) continue;
    const [a, b] = [luminance(getComputedStyle(e).color), luminance(ground(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, text };
  }
  const count = (selector) => document.querySelectorAll(selector).length;
  return {
    lowest,
    overflowPx: document.documentElement.scrollWidth - innerWidth,
    headings: [...document.querySelectorAll("h1, h2")].map((e) => e.tagName),
    landmarks: { header: count("body > header"), main: count("main"), footer: count("body > footer") },
    unscoped: count("th:not([scope])"),
  };
})()` as unknown as () => {
  lowest: { ratio: number; text: string };
  overflowPx: number;
  headings: string[];
  landmarks: Record<string, number>;
  unscoped: number;
};

const FOCUS = `(() => {
  const e = document.activeElement;
  return { name: e.id || e.className, outlinePx: parseFloat(getComputedStyle(e).outlineWidth) };
})()` as unknown as () => { name: string; outlinePx: number };
