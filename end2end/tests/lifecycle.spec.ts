// What a person does with searches: cancel in every state, delete and undo, retry, many at once, history.
import type { BrowserContext, Page } from "@playwright/test";
import { alive, ended, examplesReady, expectNoSidewaysScroll, genes, phaseOf, submit } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";

/** A search that is at work for long: it is meant to be stopped. */
const long = async (title: string): Promise<Record<string, unknown>> => ({
  program: "tblastx",
  database: "16S_rRNA",
  query: await genes(300),
  title,
});

/** A search that is done in a moment. */
const short = async (title: string): Promise<Record<string, unknown>> => ({
  program: "blastn",
  database: "16S_rRNA",
  query: await genes(1),
  title,
});

/** Another page of the same browser. */
async function another(browser: BrowserContext, url: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(url);
  await alive(page);
  return page;
}

test.describe("one search at a time", () => {
  test.use({ ownServerSettings: { ELB_SEARCHES: "1" } });

  test("the line is told, and a search leaves it when it is cancelled", async ({ ownServer, page, request }) => {
    const base = ownServer.url;
    await examplesReady(request, base);
    const running = await submit(request, await long("in front"), base);
    await expect.poll(() => phaseOf(request, running, base)).toBe("running");
    const second = await submit(request, await short("second"), base);
    const third = await submit(request, await short("third"), base);
    await page.goto(`${base}/jobs/${third}`);
    await alive(page);
    await expect(page.locator(".status-note")).toContainText("2nd in line; 1 search is running");
    await page.goto(`${base}/jobs`);
    await alive(page);
    const row = page.locator(`tr[data-key="${third}"]`);
    await expect(row).toContainText("2nd in line; 1 search is running");

    const before = await another(page.context(), `${base}/jobs/${second}`);
    await expect(before.locator(".status-note")).toContainText("next in line");
    await before.getByRole("button", { name: "Cancel the search" }).click();
    await expect(before.locator(".status-line .badge")).toContainText("Cancelled");
    // The other page hears of it: the third is next now.
    await expect(row).toContainText("next in line; 1 search is running");
    expect(await phaseOf(request, running, base)).toBe("running");
  });

  test("a search is cancelled while its query is read", async ({ ownServer, page, request }) => {
    test.slow();
    const base = ownServer.url;
    await examplesReady(request, base);
    // Sixty megabytes take seconds to read, check and split.
    const letters = "ACGTTGCAAGCT".repeat(80);
    const query = Array.from({ length: 60_000 }, (_, number) => `>s${number}\n${letters}\n`).join("");
    const id = await submit(request, { program: "blastn", database: "16S_rRNA", query, title: "large" }, base);
    await page.goto(`${base}/jobs/${id}`);
    await alive(page);
    await expect(page.locator(".status-line .badge")).toContainText("Reading the query");
    await page.getByRole("button", { name: "Cancel the search" }).click();
    await expect(page.locator(".status-line .badge")).toContainText("Cancelled", { timeout: 20_000 });
    await expect(page.locator("[data-step=preparing]")).toHaveClass(/cancelled/);
    await expect(page.locator("[data-step=running]")).toHaveClass(/not_reached/);
  });
});

test.describe("on a server that is ready", () => {
  test.beforeEach(async ({ request }) => examplesReady(request));

  test("a running search is cancelled, and its second attempt shows both", async ({ page, request }) => {
    const id = await submit(request, await long(`attempts ${Date.now()}`));
    await page.goto(`/jobs/${id}`);
    await alive(page);
    await expect(page.locator(".status-line .badge")).toContainText("Searching", { timeout: 40_000 });
    await page.getByRole("button", { name: "Cancel the search" }).click();
    await expect(page.locator(".status-line .badge")).toContainText("Cancelled", { timeout: 20_000 });
    await page.getByRole("button", { name: "Retry" }).click();
    await alive(page);
    await expect(page.getByRole("heading", { name: "Attempt 2" })).toBeVisible();
    await expect(page.locator(".status-note")).toContainText("attempt 2");
    const first = page.locator("details[data-keep=attempt-1]");
    await expect(first).toContainText("Attempt 1: Cancelled");
    await first.locator("summary").click();
    await expect(first.locator("[data-step=running]")).toHaveClass(/cancelled/);
    await expect(page.locator("[data-step=running].active")).toBeVisible({ timeout: 40_000 });
    await expect(first).toHaveAttribute("open", "");
    await page.getByRole("button", { name: "Cancel the search" }).click();
    expect(await ended(request, id)).toBe("cancelled");
  });

  test("a deleted search comes back by one click", async ({ page, request }) => {
    const title = `undone ${Date.now()}`;
    const id = await submit(request, await short(title));
    await ended(request, id);
    await page.goto("/jobs");
    await alive(page);
    const row = page.locator(`tr[data-key="${id}"]`);
    await row.locator("summary").click();
    await row.getByRole("link", { name: "Delete…" }).click();
    await expect(page.locator("#delete-dialog")).toContainText("can be restored for 7 days");
    await page.locator("#delete-button").click();
    const notice = page.locator(".notice");
    await expect(notice).toContainText(`Deleted ${title}`);
    await expect(row).toHaveCount(0);
    await expectNoSidewaysScroll(page);

    expect((await page.request.get(`/jobs/${id}`)).status()).toBe(410);
    await page.getByRole("link", { name: "Recently deleted" }).click();
    await expect(page.locator("#deleted tr", { hasText: title })).toContainText("in 6");
    await page.goBack();
    await notice.getByRole("button", { name: "Undo" }).click();
    await expect(notice).toContainText(`Restored ${title}`);
    await expect(row.locator(".badge")).toContainText("Completed");
    await row.getByRole("link", { name: title }).first().click();
    await expect(page.locator("#results")).toBeVisible();
  });

  test("many are cancelled and deleted at once, and choices outlive changes of their rows", async ({ page, request }) => {
    test.slow();
    const mark = `many ${Date.now()}`;
    const ids: string[] = [];
    for (const name of ["a", "b", "c"]) ids.push(await submit(request, await long(`${mark} ${name}`)));
    const list = `/jobs?q=${encodeURIComponent(mark)}`;
    await page.goto(list);
    await alive(page);
    const boxes = page.locator("#jobs-body input[name=id]");
    await expect(boxes).toHaveCount(3);
    await expect(page.locator("#chosen-count")).toHaveText("None chosen");
    const first = page.locator(`tr[data-key="${ids[0]}"]`);
    await first.locator("input[name=id]").check();
    await first.locator("input[name=id]").focus();
    await expect(page.locator("#chosen-count")).toContainText("1 chosen");
    // Rows are drawn anew while they come on: what is chosen and focused stays.
    await expect(first.locator(".badge")).toContainText("Searching", { timeout: 40_000 });
    await request.post(`/api/blast/jobs/${ids[0]}/cancel`);
    await expect(first.locator(".badge")).toContainText("Cancelled", { timeout: 20_000 });
    await expect(first.locator("input[name=id]")).toBeChecked();
    await expect(first.locator("input[name=id]")).toBeFocused();

    await page.locator("#chosen [data-choose-all]").check();
    await expect(page.locator("#chosen-count")).toContainText("3 chosen");
    await page.locator("#chosen").getByRole("button", { name: "Cancel" }).click();
    const notice = page.locator(".notice");
    await expect(notice).toContainText("2 searches told to stop");
    await expect(notice).toContainText(`${mark} a: it has ended`);
    await expect(page.locator("#jobs-body .badge", { hasText: "Cancelled" })).toHaveCount(3, { timeout: 20_000 });
    expect(page.url()).toContain("q=");
    await expectNoSidewaysScroll(page);

    await alive(page);
    await page.locator("#chosen [data-choose-all]").check();
    await page.locator("#chosen").getByRole("button", { name: "Delete" }).click();
    await expect(notice).toContainText("3 searches deleted");
    await expect(page.locator("#nothing-fits")).toBeVisible();
    await notice.getByRole("button", { name: "Undo" }).click();
    await expect(notice).toContainText("3 searches restored");
    await expect(boxes).toHaveCount(3);
  });

  test("the history says when, what and who", async ({ page, request }) => {
    const id = await submit(request, await short(`history ${Date.now()}`));
    await ended(request, id);
    await page.goto(`/jobs/${id}`);
    await page.getByRole("link", { name: "Every change of this search" }).click();
    const rows = page.locator("#history tbody tr");
    await expect(rows.first()).toContainText("Completed");
    await expect(rows.last()).toContainText("submitted");
    await expect(rows.last()).toContainText("you");
    await expect(rows.first()).toContainText("the server");
    await expectNoSidewaysScroll(page);
    await page.goto(`/jobs/${id}/history?before=3`);
    await expect(rows).toHaveCount(2);
    await page.getByRole("link", { name: "Newest" }).click();
    await expect(rows.first()).toContainText("Completed");
  });
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("searches are chosen, deleted and restored by forms alone", async ({ page, request }) => {
    await examplesReady(request);
    const mark = `plain ${Date.now()}`;
    for (const name of ["a", "b"]) await ended(request, await submit(request, await short(`${mark} ${name}`)));
    await page.goto(`/jobs?q=${encodeURIComponent(mark)}`);
    for (const name of ["a", "b"]) await page.getByRole("checkbox", { name: `Choose ${mark} ${name}` }).check();
    await page.locator("#chosen").getByRole("button", { name: "Delete" }).click();
    await expect(page.locator(".notice")).toContainText("2 searches deleted");
    await page.getByRole("link", { name: "Recently deleted" }).click();
    await page.getByRole("button", { name: `Restore ${mark} a` }).click();
    await expect(page.getByText(`Restored ${mark} a`)).toBeVisible();
    await page.getByRole("button", { name: `Restore ${mark} b` }).click();
    await page.goto(`/jobs?q=${encodeURIComponent(mark)}`);
    await expect(page.locator("#jobs-body input[name=id]")).toHaveCount(2);
  });
});
