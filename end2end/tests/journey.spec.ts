// The whole way of a researcher, from the form to the hits, with scripts.
import { alive, ended, examplesReady, expectNoSidewaysScroll, genes, proteins, submit } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";

test.beforeEach(async ({ request }) => examplesReady(request));

test("a nucleotide search: paste, run, watch, read, download", async ({ page }) => {
  await page.goto("/search");
  await alive(page);
  await page.getByLabel("Query sequences, in FASTA format").fill(await genes(2));
  await expect(page.locator("#query-summary")).toContainText("2 sequences");
  await page.getByLabel("Database", { exact: true }).selectOption("16S_rRNA");
  await expect(page.locator("#command")).toContainText("blastn -task megablast -db");
  await page.getByLabel("Title").fill("two genes");
  await page.getByRole("button", { name: "Run BLAST" }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}/);
  await expect(page.getByRole("heading", { name: "two genes" })).toBeVisible();
  await expect(page.locator("#results")).toBeVisible({ timeout: 40_000 });
  await expect(page.locator(".badge").first()).toContainText("Completed");
  await expectNoSidewaysScroll(page);

  const best = page.locator("table.hits tbody tr").first();
  await expect(best).toContainText("100.00");
  await page.getByRole("link", { name: "Graphic summary" }).click();
  await expect(page.locator("svg.lanes a").first()).toBeVisible();
  await page.getByRole("link", { name: "Alignments", exact: true }).click();
  await expect(page.locator("pre.alignment").first()).toContainText("Query  1");
  await page.getByRole("link", { name: "Descriptions", exact: true }).click();

  await page.locator("table.hits input[type=checkbox]").first().check();
  const [fasta] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "FASTA of the chosen hits" }).click(),
  ]);
  expect(fasta.suggestedFilename()).toMatch(/\.fasta$/);
});

test("a protein search finds its own sequence first", async ({ page }) => {
  await page.goto("/search");
  await alive(page);
  await page.getByRole("radio", { name: /^blastp/ }).check();
  await page.getByLabel("Query sequences, in FASTA format").fill(await proteins(1, 5));
  await expect(page.locator("#command")).toContainText("blastp -task blastp -db");
  await page.getByRole("button", { name: "Run BLAST" }).click();
  await expect(page.locator("#results")).toBeVisible({ timeout: 40_000 });
  await expect(page.locator("table.hits tbody tr").first()).toContainText("100.00");
  await page.locator("table.hits tbody tr a").first().click();
  await expect(page.locator("article.subject p.hsp").first()).toContainText("positives");
});

test("a second browser sees a new search and its end without a reload", async ({ page, browser, request, server }) => {
  await submit(request, { program: "blastn", database: "16S_rRNA", query: await genes(1), title: "before" });
  const context = await browser.newContext();
  const watcher = await context.newPage();
  await watcher.goto(`${server.url}/jobs`);
  await alive(watcher);
  await expect(watcher.locator("#live")).toContainText("Live");
  await watcher.evaluate(() => Object.assign(window, { notReloaded: true }));
  const title = `seen from afar ${Date.now()}`;
  const id = await submit(request, { program: "blastn", database: "16S_rRNA", query: await genes(3), title });
  const row = watcher.locator("tr[data-key]", { hasText: title });
  await expect(row).toBeVisible();
  await ended(request, id);
  await expect(row.locator(".badge")).toContainText("Completed");
  expect(await watcher.evaluate(() => "notReloaded" in window)).toBe(true);
  await page.goto(`/jobs/${id}`);
  await context.close();
});

test("an edited copy brings everything back", async ({ page, request }) => {
  const id = await submit(request, {
    program: "blastp",
    task: "blastp-fast",
    database: "uniprot_sample",
    query: await proteins(2),
    title: "the original",
    options: { evalue: 1e-20, word_size: 6, matrix: "BLOSUM80", gapopen: 10, gapextend: 1, comp_based_stats: 1, query_from: 2, query_to: 80, filter: "12 2.2 2.5" },
  });
  await page.goto(`/search?from=${id}`);
  await alive(page);
  await expect(page.getByRole("radio", { name: /^blastp/ })).toBeChecked();
  await expect(page.locator("#task")).toHaveValue("blastp-fast");
  await expect(page.locator("#database")).toHaveValue("uniprot_sample");
  await expect(page.locator("#title")).toHaveValue("the original");
  const values: Record<string, string> = {
    evalue: "1e-20", word_size: "6", matrix: "BLOSUM80", gapopen: "10", gapextend: "1", comp_based_stats: "1", query_from: "2", query_to: "80", filter: "12 2.2 2.5",
  };
  for (const [key, value] of Object.entries(values)) {
    await expect(page.locator(`#option-${key}`), key).toHaveValue(value);
  }
  await expect(page.locator("#query-summary")).toContainText("2 sequences");
});

test("a search that finds nothing says so", async ({ page, request }) => {
  const query = ">nothing\nATATATATATATCGCGCGATATATATCCGGATATTTATATATATATAT\n";
  const id = await submit(request, { program: "blastn", database: "16S_rRNA", query });
  expect(await ended(request, id)).toBe("completed");
  await page.goto(`/jobs/${id}`);
  await expect(page.locator("#no-hits")).toContainText("No hits");
});

test("a double click submits once", async ({ page, request }) => {
  const title = `clicked twice ${Date.now()}`;
  await page.goto("/search");
  await alive(page);
  await page.getByLabel("Query sequences, in FASTA format").fill(await genes(1));
  await page.getByLabel("Title").fill(title);
  await page.getByRole("button", { name: "Run BLAST" }).dblclick();
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}/);
  const list = await request.get(`/api/blast/jobs?q=${encodeURIComponent(title)}`);
  expect(((await list.json()) as { totals: { all: number } }).totals.all).toBe(1);
});

test("a draft outlives its tab", async ({ context, page }) => {
  await page.goto("/search");
  await alive(page);
  await page.getByLabel("Query sequences, in FASTA format").fill(">kept\nACGTACGTAC\n");
  await expect(page.locator("#draft-note")).toContainText("A draft is kept");
  // What is typed last is kept too, if the page is left at once.
  await page.getByLabel("E-value at most").fill("1e-7");
  await page.goto("/jobs");
  await page.close();
  const later = await context.newPage();
  await later.goto("/search");
  await alive(later);
  await expect(later.getByLabel("Query sequences, in FASTA format")).toHaveValue(/>kept/);
  await expect(later.locator("#option-evalue")).toHaveValue("1e-7");
  await later.getByRole("button", { name: "Begin anew" }).click();
  await alive(later);
  await expect(later.getByLabel("Query sequences, in FASTA format")).toHaveValue("");
});

test("a running search is cancelled, then deleted by its dialog", async ({ page, request }) => {
  const title = `to be cancelled ${Date.now()}`;
  const id = await submit(request, { program: "tblastx", database: "16S_rRNA", query: await genes(40), title });
  await page.goto(`/jobs/${id}`);
  await alive(page);
  await page.getByRole("button", { name: "Cancel the search" }).click();
  await expect(page.locator(".status-line .badge")).toContainText("Cancelled", { timeout: 20_000 });
  await expect(page.getByRole("button", { name: "Retry" })).toBeVisible();
  await page.getByRole("link", { name: "Delete…" }).click();
  await expect(page.locator("#delete-dialog")).toBeVisible();
  await expect(page.locator("#delete-title")).toHaveText(title);
  await page.locator("#delete-button").click();
  await page.waitForURL(/\/jobs\?deleted=/);
  await expect(page.locator("tr[data-key]", { hasText: title })).toHaveCount(0);
  expect((await request.get(`/api/blast/jobs/${id}`)).status()).toBe(404);
});
