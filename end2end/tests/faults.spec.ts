// Connections that break: event streams that are cut at any byte, cut while nothing happens, and a server that restarts.
import type { Page } from "@playwright/test";
import { alive, ended, examplesReady, genes, submit } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";
import { Proxy } from "../support/proxy.ts";
import { isTheSame, open } from "../support/tabs.ts";

const row = (page: Page, title: string) => page.locator("#jobs-body tr[data-key]", { hasText: title });
const expectState = (page: Page, wanted: string) => expect(page.locator("#live")).toHaveAttribute("data-state", wanted);
const search = async (title: string): Promise<Record<string, unknown>> => ({
  program: "blastn",
  database: "16S_rRNA",
  query: await genes(1),
  title,
});

/** Writes down what a page says of how fresh it is. */
const listen = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    const live = document.getElementById("live");
    if (live === null) throw new Error("the page does not say how fresh it is");
    new MutationObserver(() => said.push(`${live.dataset["state"]}: ${live.textContent}`)).observe(live, {
      attributes: true,
      childList: true,
    });
  });
/** What it has said since then. */
const said = (page: Page): Promise<string> => page.evaluate(() => (window as unknown as { said: string[] }).said.join("\n"));

test("a stream that is cut at any byte loses no change and doubles none", async ({ server, page, request }) => {
  test.slow();
  await examplesReady(request);
  const proxy = await Proxy.start(server.url);
  try {
    const mark = `cut ${Date.now()}`;
    await submit(request, await search(`${mark} start`));
    await page.clock.install();
    await page.goto(`${proxy.url}/jobs?q=${encodeURIComponent(mark)}`);
    await alive(page);
    await expectState(page, "live");
    await page.evaluate(() => Object.assign(window, { notReloaded: true }));
    // In the greeting, in the name of an event, in its data, and near its end.
    const places = [0, 1, 12, 30, 55, 120, 300, 480];
    for (const [count, bytes] of places.entries()) {
      proxy.cutAfter(bytes);
      proxy.cutStreams();
      await submit(request, await search(`${mark} at ${bytes} bytes`));
      // Pauses before new tries pass at once.
      await expect
        .poll(async () => {
          await page.clock.runFor(1_000);
          return (await row(page, `at ${bytes} bytes`).count()) === 1 && proxy.cuts === count + 1;
        })
        .toBe(true);
    }
    await expect
      .poll(async () => {
        await page.clock.runFor(1_000);
        return page.locator("#live").getAttribute("data-state");
      })
      .toBe("live");
    await expect(row(page, mark)).toHaveCount(places.length + 1);
    expect(await isTheSame(page)).toBe(true);
  } finally {
    await proxy.stop();
  }
});

test("tabs whose stream is cut while nothing happens say so, come back by themselves and are up to date", async ({ server, context, request }) => {
  await examplesReady(request);
  const proxy = await Proxy.start(server.url);
  try {
    const mark = `idle ${Date.now()}`;
    await submit(request, await search(`${mark} start`));
    const tabs = await open(context, `${proxy.url}/jobs?q=${encodeURIComponent(mark)}`, 3);
    for (const tab of tabs) {
      await expectState(tab, "live");
      await listen(tab);
    }
    proxy.blocked = true;
    proxy.cutStreams();
    // It may be polling again by the time that a slow machine looks: what it said is what counts.
    for (const tab of tabs) await expect.poll(() => said(tab)).toContain("reconnecting: Reconnecting; last heard of");
    await submit(request, await search(`${mark} meanwhile`));
    proxy.blocked = false;
    for (const tab of tabs) {
      await expect(row(tab, "meanwhile")).toBeVisible({ timeout: 20_000 });
      await expect(tab.locator("#live")).toHaveText(/^Reconnected at /, { timeout: 20_000 });
      await expectState(tab, "live");
      expect(await isTheSame(tab)).toBe(true);
    }
    await expect.poll(() => proxy.open).toBe(1);
  } finally {
    await proxy.stop();
  }
});

test("a stream that is open but says nothing any more is found within 35 seconds, and had anew", async ({ server, page, request }) => {
  await examplesReady(request);
  const proxy = await Proxy.start(server.url);
  try {
    const mark = `silent ${Date.now()}`;
    await ended(request, await submit(request, await search(`${mark} start`)));
    await page.clock.install();
    await page.goto(`${proxy.url}/jobs?q=${encodeURIComponent(mark)}`);
    await alive(page);
    await expectState(page, "live");
    await listen(page);
    proxy.silence();
    await ended(request, await submit(request, await search(`${mark} untold`)));
    await expect(row(page, "untold")).toHaveCount(0);
    await page.clock.runFor(35_000);
    await expect(row(page, "untold")).toBeVisible();
    await expect.poll(() => proxy.opened).toBe(2);
    await expect.poll(() => proxy.open).toBe(1);
    await expectState(page, "live");
    expect(await said(page)).toContain("reconnecting: Reconnecting; last heard of");
    await submit(request, await search(`${mark} heard`));
    await expect(row(page, "heard")).toBeVisible();
  } finally {
    await proxy.stop();
  }
});

test("a beat tells a page of a change that it has missed, and it asks once", async ({ server, page, request }) => {
  await examplesReady(request);
  const proxy = await Proxy.start(server.url);
  try {
    const mark = `beat ${Date.now()}`;
    await ended(request, await submit(request, await search(`${mark} start`)));
    await page.goto(`${proxy.url}/jobs?q=${encodeURIComponent(mark)}`);
    await alive(page);
    await expectState(page, "live");
    proxy.silence();
    await ended(request, await submit(request, await search(`${mark} untold`)));
    const lists = () => proxy.requests.filter((path) => path.startsWith("/api/blast/jobs")).length;
    const before = lists();
    const { revision } = await (await request.get("/api/blast/jobs")).json();
    proxy.beat(revision);
    await expect(row(page, "untold")).toBeVisible();
    proxy.beat(revision);
    await submit(request, await search(`${mark} further`));
    expect(lists()).toBe(before + 1);
    expect(proxy.opened).toBe(1);
  } finally {
    await proxy.stop();
  }
});

test("all tabs of a browser find a server again that was killed, over one stream", async ({ ownServer, context, request }) => {
  test.slow();
  await examplesReady(request, ownServer.url);
  const proxy = await Proxy.start(ownServer.url);
  try {
    const mark = `restart ${Date.now()}`;
    await submit(request, await search(`${mark} start`), ownServer.url);
    const tabs = await open(context, `${proxy.url}/jobs`, 6);
    for (const tab of tabs) await expectState(tab, "live");
    await ownServer.restart("kill");
    const title = `${mark} after`;
    await submit(request, await search(title), ownServer.url);
    for (const tab of tabs) {
      await expect(row(tab, title)).toBeVisible({ timeout: 30_000 });
      await expect(tab.locator("#live")).toHaveText(/^Reconnected at /, { timeout: 30_000 });
      expect(await isTheSame(tab)).toBe(true);
    }
    await expect.poll(() => proxy.open).toBe(1);
  } finally {
    await proxy.stop();
  }
});
