// Tabs as people have them: many of one browser, some of them hidden, and what they say of themselves.
import type { BrowserContext, Page } from "@playwright/test";
import { alive } from "./actions.ts";
import { expect } from "./fixtures.ts";
import type { Proxy } from "./proxy.ts";

/** Less than a page waits for a sign of life of its stream, in milliseconds. */
const BEAT = 15_000;

/** What a page says of how fresh it is. */
export const state = (page: Page): Promise<string | null> => page.locator("#live").getAttribute("data-state");

/** Opens further pages of the same browser. */
export async function open(browser: BrowserContext, url: string, count: number): Promise<Page[]> {
  const pages: Page[] = [];
  for (let made = 0; made < count; made += 1) {
    const page = await browser.newPage();
    await page.goto(url);
    await alive(page);
    // A page that is loaded anew loses the mark.
    await page.evaluate(() => Object.assign(window, { notReloaded: true }));
    pages.push(page);
  }
  return pages;
}

/** Whether a page of `open` is still the one that was opened. */
export const isTheSame = (page: Page): Promise<boolean> => page.evaluate(() => "notReloaded" in window);

async function setHidden(page: Page, hidden: boolean): Promise<void> {
  // Pages without a window are never hidden by the browser itself.
  await page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (hidden ? "hidden" : "visible") });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

/** Hides a page, as another tab does that is shown in its place. */
export const hide = (page: Page): Promise<void> => setHidden(page, true);

/** Shows a page that was hidden. */
export const show = (page: Page): Promise<void> => setHidden(page, false);

/** Lets time pass on a page with a clock of its own, whose stream goes on to say that nothing changes. */
export async function pass(page: Page, front: Proxy, ms: number): Promise<void> {
  const checked = () => page.locator("#age-since").getAttribute("data-since");
  for (let left = ms; left > 0; left -= BEAT) {
    const before = await checked();
    front.beat();
    await expect.poll(checked).not.toBe(before);
    await page.clock.runFor(Math.min(left, BEAT));
  }
}
