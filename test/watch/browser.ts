/** Debian's Chromium, headless, for tests of the page. */
import { existsSync } from "node:fs";
import { chromium, type Browser, type Page } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export const BROWSER_PATH: string | undefined = PATHS.find((path) => existsSync(path));

export async function openBrowser(): Promise<Browser> {
  if (BROWSER_PATH === undefined) throw new Error("there is no Chromium: apt-get install chromium");
  return chromium.launch({
    executablePath: BROWSER_PATH,
    // Root has no sandbox of its own, and a container little shared memory.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
}

export interface Look {
  readonly width: number;
  readonly height: number;
  readonly colorScheme: "light" | "dark";
}

export const DESKTOP: Omit<Look, "colorScheme"> = { width: 1160, height: 900 };
export const PHONE: Omit<Look, "colorScheme"> = { width: 375, height: 780 };

/** A new window, which collects what it asks for and what it complains about. */
export async function openPage(
  browser: Browser,
  url: string,
  { width, height, colorScheme }: Look,
): Promise<{ page: Page; requests: string[]; complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(url);
  return { page, requests, complaints };
}
