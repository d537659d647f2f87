// Open pages of one browser: they share one event stream, ask little, rest while hidden, and say how fresh they are.
import type { Page } from "@playwright/test";
import { alive, ended, examplesReady, genes, submit } from "../support/actions.ts";
import { expect, test as base } from "../support/fixtures.ts";
import { Proxy } from "../support/proxy.ts";
import { hide, isTheSame, open, pass, show, state } from "../support/tabs.ts";
import { until } from "../support/until.ts";

const test = base.extend<{ front: Proxy }>({
  // Stands in front of the shared server.
  front: async ({ server }, use) => {
    const front = await Proxy.start(server.url);
    await use(front);
    await front.stop();
  },
});

const MINUTE = 60_000;
/** More than a browser's six connections to a server over HTTP/1.1. */
const TABS = 8;

const search = async (title: string, records = 1): Promise<Record<string, unknown>> => ({
  program: records > 1 ? "tblastx" : "blastn",
  database: "16S_rRNA",
  query: await genes(records),
  title,
});
const listOf = (mark: string): string => `/jobs?q=${encodeURIComponent(mark)}`;
const row = (page: Page, title: string) => page.locator("#jobs-body tr[data-key]", { hasText: title });
const expectState = (page: Page, wanted: string) => expect(page.locator("#live")).toHaveAttribute("data-state", wanted);

test.beforeEach(async ({ request }) => examplesReady(request));

test("many tabs share one event stream, and when its holder is closed another takes over without a gap", async ({ front, context, request }) => {
  test.slow();
  const mark = `shared ${Date.now()}`;
  await ended(request, await submit(request, await search(`${mark} first`)));
  const tabs = await open(context, front.url + listOf(mark), TABS);
  for (const tab of tabs) await expectState(tab, "live");
  expect(front.opened).toBe(1);

  const second = await submit(request, await search(`${mark} second`));
  for (const tab of tabs) await expect(row(tab, "second")).toBeVisible();
  await ended(request, second);
  for (const tab of tabs) await expect(row(tab, "second").locator(".badge")).toContainText("Completed");

  // The first tab was the first to ask for the stream.
  const [holder, ...others] = tabs;
  await holder?.close();
  await submit(request, await search(`${mark} third`));
  for (const tab of others) {
    await expect(row(tab, "third")).toBeVisible();
    await expectState(tab, "live");
    expect(await isTheSame(tab)).toBe(true);
  }
  await expect.poll(() => front.open).toBe(1);
  expect(front.opened).toBe(2);

  // So does one whose holder is hidden, while the hidden one rests.
  const [hidden, ...shown] = others;
  if (hidden === undefined) throw new Error("no tab is left");
  await hide(hidden);
  await expectState(hidden, "paused");
  await submit(request, await search(`${mark} fourth`));
  for (const tab of shown) await expect(row(tab, "fourth")).toBeVisible();
  await show(hidden);
  await expect(row(hidden, "fourth")).toBeVisible();
  await expectState(hidden, "live");
  await expect.poll(() => front.open).toBe(1);
  // Of the one that goes and the one that comes, both may be there for a moment.
  expect(front.most).toBeLessThanOrEqual(2);
});

test("the pages of jobs share the stream of the lists", async ({ front, context, request }) => {
  const id = await submit(request, await search(`page ${Date.now()}`, 300));
  const tabs = [
    ...(await open(context, `${front.url}/jobs`, 2)),
    ...(await open(context, `${front.url}/jobs/${id}`, 2)),
  ];
  for (const tab of tabs) await expectState(tab, "live");
  expect(front.opened).toBe(1);
  await request.post(`/api/blast/jobs/${id}/cancel`);
  for (const tab of tabs.slice(2)) {
    await expect(tab.locator(".status-line .badge")).toContainText("Cancelled", { timeout: 20_000 });
  }
});

test("a page asks at most four times a minute while it is live", async ({ front, page }) => {
  await page.clock.install();
  await page.goto(`${front.url}/jobs`);
  await alive(page);
  await expectState(page, "live");
  const lists = () => front.requests.filter((path) => path.startsWith("/api/blast/jobs")).length;
  const before = { all: front.requests.length, lists: lists() };
  for (let minute = 1; minute <= 5; minute += 1) {
    await pass(page, front, MINUTE);
    // The slow check beside the stream, once a minute.
    await expect.poll(() => lists() - before.lists).toBeGreaterThanOrEqual(minute);
  }
  expect(front.requests.length - before.all).toBeLessThanOrEqual(4 * 5);
  await expectState(page, "live");
});

test("a page whose stream is blocked polls, at most fifteen times a minute, and is live again later", async ({ front, page, request }) => {
  // Three minutes, a second at a time.
  test.slow();
  const mark = `polled ${Date.now()}`;
  front.blocked = true;
  // A search that is under way: the list is then asked for most often.
  const active = await submit(request, await search(`${mark} active`, 300));
  await page.clock.install();
  await page.goto(front.url + listOf(mark));
  await alive(page);
  const before = front.requests.length;
  // The page's own time: it goes on while a slow machine answers, too.
  const time = (): Promise<number> => page.evaluate(() => Date.now());
  const begun = await time();
  for (let second = 0; second < 180; second += 1) {
    await page.clock.runFor(1_000);
    // The page's time does not outrun the answers.
    await until(() => front.busy === 0, { what: "the answers", timeoutMs: 60_000 });
  }
  const requests = front.requests.length - before;
  const minutes = ((await time()) - begun) / 60_000;
  expect(requests).toBeLessThanOrEqual(Math.ceil(minutes * 15));
  expect(requests).toBeGreaterThanOrEqual(3 * 4);
  await expectState(page, "polling");
  await submit(request, await search(`${mark} other`));
  await page.clock.runFor(15_000);
  await expect(row(page, "other")).toBeVisible();

  front.blocked = false;
  await expect
    .poll(
      async () => {
        await page.clock.runFor(5_000);
        return state(page);
      },
      // The next try comes within a minute and some seconds, and the answer to it within a few looks.
      { timeout: 30_000, intervals: [300] },
    )
    .toBe("live");
  await request.post(`/api/blast/jobs/${active}/cancel`);
  await ended(request, active);
});

test("a job's page asks at most once a second however its job changes, and never twice for one change", async ({ front, page, request }) => {
  const id = await submit(request, await search(`burst ${Date.now()}`, 300));
  const version = async () => Number((await (await request.get(`/api/blast/jobs/${id}`)).json()).version);
  const running = page.locator(".status-line .badge", { hasText: "Searching" });
  await page.goto(`${front.url}/jobs/${id}`);
  await alive(page);
  await expectState(page, "live");
  await expect(running).toBeVisible();
  // Timed by the page, not on the way from it to here.
  const since = await page.evaluate(() => performance.now());
  const questions = (): Promise<number[]> =>
    page.evaluate((since) => {
      const asked = performance.getEntriesByType("resource");
      const ours = asked.filter(({ name, startTime }) => startTime >= since && name.includes("/api/ui/job"));
      return ours.map(({ startTime }) => startTime).sort((one, next) => one - next);
    }, since);
  const before = await version();
  // Each round is some ten changes, within a tenth of a second or within two: the burst lasts for three questions
  // on any machine.
  do {
    await request.post(`/api/blast/jobs/${id}/cancel`);
    await ended(request, id);
    await request.post(`/api/blast/jobs/${id}/retry`);
  } while ((await questions()).length < 3);
  await request.post(`/api/blast/jobs/${id}/cancel`);
  await ended(request, id);
  await expect(page.locator(".status-line .badge")).toContainText("Cancelled");
  const changes = (await version()) - before;
  const times = await questions();
  expect(times.length).toBeGreaterThanOrEqual(3);
  expect(times.length).toBeLessThan(changes);
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(990);
});

test("a hidden page asks nothing for an hour, then catches up once without disturbing its reader", async ({ front, page, request }) => {
  const mark = `hidden ${Date.now()}`;
  const kept = await submit(request, await search(`${mark} kept`));
  await ended(request, kept);
  await page.clock.install();
  await page.setViewportSize({ width: 1_280, height: 420 });
  await page.goto(front.url + listOf(mark));
  await alive(page);
  await expectState(page, "live");
  const summary = row(page, "kept").locator("summary");
  await summary.click();
  await page.evaluate(() => window.scrollTo(0, 120));
  const scrolled = await page.evaluate(() => window.scrollY);
  await row(page, "kept").evaluate((element) => Object.assign(element, { untouched: true }));

  await hide(page);
  await expectState(page, "paused");
  await expect.poll(() => front.open).toBe(0);
  const before = front.requests.length;
  await page.clock.runFor(60 * MINUTE);
  const missed = await submit(request, await search(`${mark} missed`));
  await ended(request, missed);
  expect(front.requests.length).toBe(before);

  await show(page);
  await expect(row(page, "missed")).toBeVisible();
  await expectState(page, "live");
  const asked = front.requests.slice(before);
  // Once: what the stream tells of that time is in the answer.
  expect(asked.filter((path) => path.startsWith("/api/blast/jobs"))).toHaveLength(1);
  expect(asked.filter((path) => path.startsWith("/api/blast/events"))).toHaveLength(1);
  // The row that was there is the same element, its menu is open, and nothing moved under the reader.
  expect(await row(page, "kept").evaluate((element) => "untouched" in element)).toBe(true);
  await expect(row(page, "kept").locator("details")).toHaveAttribute("open", "");
  await expect(summary).toBeFocused();
  expect(await page.evaluate(() => window.scrollY)).toBe(scrolled);
});

test("ages tick from one timer, which a hidden page does not have; a clock that jumps breaks nothing", async ({ front, page, request }) => {
  await page.clock.install();
  await page.addInitScript(() => {
    const running = new Set<number>();
    Object.assign(window, { running });
    const { setInterval: begin, clearInterval: end } = window;
    window.setInterval = ((...call: Parameters<typeof begin>) => {
      const id = begin(...call) as unknown as number;
      running.add(id);
      return id;
    }) as typeof begin;
    window.clearInterval = (id) => {
      running.delete(id as number);
      end(id);
    };
  });
  const timers = () => page.evaluate(() => (window as unknown as { running: Set<number> }).running.size);
  const mark = `ages ${Date.now()}`;
  await ended(request, await submit(request, await search(mark)));
  await page.goto(front.url + listOf(mark));
  await alive(page);
  await expectState(page, "live");
  expect(await timers()).toBe(1);
  const age = page.locator("#age-since");
  await page.clock.runFor(20_000);
  await expect(age).toHaveText(/^(19|[2-5]\d)\u00a0s$/);
  await hide(page);
  expect(await timers()).toBe(0);
  const shown = await age.textContent();
  await page.clock.runFor(20_000);
  await expect(age).toHaveText(shown ?? "");
  await show(page);
  expect(await timers()).toBe(1);
  await expectState(page, "live");

  const before = front.requests.length;
  const now = await page.evaluate(() => Date.now());
  for (const jump of [24 * 60 * MINUTE, -48 * 60 * MINUTE]) {
    await page.clock.setSystemTime(now + jump);
    await page.clock.runFor(2_000);
    await expectState(page, "live");
  }
  expect(front.requests.length - before).toBeLessThanOrEqual(1);
  await submit(request, await search(`${mark} after the jump`));
  await expect(row(page, "after the jump")).toBeVisible();
});

test("a browser follows three logs at once; a further one waits, says so and takes the next free place", async ({ front, context, request }) => {
  test.slow();
  const id = await submit(request, await search(`logs ${Date.now()}`, 300));
  const tabs = await open(context, `${front.url}/jobs/${id}`, 4);
  const waits = (tab: Page) => tab.locator("#log-waits");
  const [first, , , fourth] = tabs;
  if (first === undefined || fourth === undefined) throw new Error("tabs are missing");
  await expect(waits(fourth)).toBeVisible();
  for (const tab of tabs.slice(0, 3)) await expect(waits(tab)).toBeHidden();
  await first.close();
  await expect(waits(fourth)).toBeHidden();
  await request.post(`/api/blast/jobs/${id}/cancel`);
  await expect(fourth.locator(".status-line .badge")).toContainText("Cancelled", { timeout: 20_000 });
});
