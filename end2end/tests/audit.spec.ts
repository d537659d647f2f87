// The audit log: who did what, read by whoever operates the server, with scripts and without.
import { alive, ended, examplesReady, expectNoSidewaysScroll, genes, submit } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";

test.beforeEach(async ({ request }) => examplesReady(request));

/** A search that is done in a moment. */
const short = async (title: string): Promise<Record<string, unknown>> => ({
  program: "blastn",
  database: "16S_rRNA",
  query: await genes(1),
  title,
});

test("a submission and a deletion stand in the log, found from the footer", async ({ page, request }) => {
  const id = await submit(request, await short("to be accounted for"));
  expect(await ended(request, id)).toBe("completed");
  await page.goto(`/jobs/${id}/delete`);
  await page.getByRole("main").getByRole("button", { name: "Delete" }).click();
  await page.waitForURL(/deleted=/);
  await page.getByRole("contentinfo").getByRole("link", { name: "Audit log" }).click();
  await alive(page);
  const newest = page.locator("#audit tbody tr").first();
  await expect(newest).toContainText("Delete");
  await expect(newest).toContainText("local (you)");
  await expect(newest).toContainText("to be accounted for");
  await expect(newest.locator("time")).not.toHaveAttribute("data-local");
  await newest.getByRole("link", { name: `Records about ${id}` }).click();
  await expect(page).toHaveURL(new RegExp(`job=${id}`));
  await expect(page.locator("#audit tbody tr")).toHaveCount(2);
  await expect(page.locator("#audit tbody tr").last()).toContainText("Submit");
  await expectNoSidewaysScroll(page);
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("a form narrows the log and links lead through it", async ({ page, request }) => {
    const id = await submit(request, await short("asked for twice"));
    await ended(request, id);
    for (let count = 0; count < 101; count += 1) {
      const refused = await request.post(`/api/blast/jobs/${id}/cancel`);
      expect(refused.status()).toBe(409);
    }
    await page.goto("/audit");
    await page.getByLabel("Action").selectOption("Cancel");
    await page.getByLabel("Id of a search").fill(id);
    await page.getByRole("button", { name: "Filter" }).click();
    await expect(page.locator("#audit tbody tr")).toHaveCount(100);
    await expect(page.locator("#audit tbody tr").first()).toContainText("refused");
    await page.getByRole("link", { name: "Older" }).click();
    await expect(page.locator("#audit tbody tr")).toHaveCount(1);
    await page.getByRole("link", { name: "Newest" }).click();
    await expect(page.locator("#audit tbody tr")).toHaveCount(100);
    await page.getByRole("link", { name: "Clear" }).click();
    await page.getByLabel("Who").fill("nobody");
    await page.getByRole("button", { name: "Filter" }).click();
    await expect(page.locator("#no-records")).toContainText("No record fits");
  });
});
