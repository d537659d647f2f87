// The same with scripts switched off: forms and links do it all.
import { ended, examplesReady, expectNoSidewaysScroll, genes } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";

test.use({ javaScriptEnabled: false });
test.beforeEach(async ({ request }) => examplesReady(request));

test("submit, watch by reload, read and download", async ({ page, request }) => {
  await page.goto("/search");
  await page.getByLabel("Query sequences, in FASTA format").fill(await genes(1));
  await page.getByLabel("Database", { exact: true }).selectOption("16S_rRNA");
  await page.getByRole("button", { name: "Run BLAST" }).click();
  await expect(page).toHaveURL(/\/jobs\/[0-9a-f-]{36}/);
  const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  expect(await ended(request, id)).toBe("completed");
  await page.reload();
  await expect(page.locator("table.hits tbody tr").first()).toContainText("100.00");
  await page.getByRole("link", { name: "Alignments", exact: true }).click();
  await expect(page.locator("pre.alignment").first()).toBeVisible();
  const table = await request.get(`/api/blast/jobs/${id}/results?format=6`);
  expect((await table.text()).split("\n")[0]).toContain("100.000");
  await expectNoSidewaysScroll(page);
});

test("the list sorts, filters and pages by links", async ({ page }) => {
  await page.goto("/jobs?sort=title");
  await expect(page.locator("th[aria-sort=ascending]")).toContainText("Search");
  await page.goto("/jobs?q=there-is-no-such-search");
  await expect(page.locator("#nothing-fits")).toBeVisible();
  await page.getByRole("link", { name: "Show all searches" }).click();
  await expect(page.locator("#jobs")).toBeVisible();
});

test("a refused form comes back with everything in it", async ({ page }) => {
  await page.goto("/search");
  await page.getByRole("radio", { name: /^blastp/ }).check();
  await page.getByRole("button", { name: "Show the fields of the chosen program" }).click();
  await expect(page.locator("#option-matrix")).toBeAttached();
  await page.getByLabel("Query sequences, in FASTA format").fill(">a\nMKV1\n>a\n");
  await page.getByLabel("E-value at most").fill("-5");
  await page.getByRole("button", { name: "Run BLAST" }).click();
  const problems = page.locator("#problems-list li");
  await expect(problems.filter({ hasText: "E-value" })).toHaveCount(1);
  await expect(problems.filter({ hasText: "line 2" })).toHaveCount(1);
  await expect(problems.filter({ hasText: "used already" })).toHaveCount(1);
  await expect(page.getByLabel("Query sequences, in FASTA format")).toHaveValue(/MKV1/);
  await expect(page.getByLabel("E-value at most")).toHaveValue("-5");
  await expect(page.getByRole("radio", { name: /^blastp/ })).toBeChecked();
});

test("a form can be checked without running it", async ({ page }) => {
  await page.goto("/search");
  await page.getByLabel("Query sequences, in FASTA format").fill(">a\nACGTACGTAGCTAGCTAGCT\n");
  await page.getByRole("button", { name: "Check without running" }).click();
  await expect(page.getByText("Nothing speaks against this search")).toBeVisible();
  await expect(page.locator("#command")).toContainText("blastn -task megablast");
});
