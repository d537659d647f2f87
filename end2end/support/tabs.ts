// Tabs as people have them: many of one browser, some of them hidden, and what they say of themselves.
import type { BrowserContext, Page } from "@playwright/test";
import { alive } from "./actions.ts";

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
