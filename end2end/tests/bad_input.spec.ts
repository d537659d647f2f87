// Bad input gets a clear error that says what to do, and nothing is lost.
import { gzipSync } from "node:zlib";
import { alive, examplesReady, genes } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";

test.beforeEach(async ({ page, request }) => {
  await examplesReady(request);
  await page.goto("/search");
  await alive(page);
});

const query = "Query sequences, in FASTA format";

test("problems show as one types, with line and remedy", async ({ page }) => {
  await page.getByLabel(query).fill(">a\nACGT\nAC!GT\n>a\n>\nACGT\n");
  const problems = page.locator("#query-problems");
  await expect(problems).toContainText('Line 3, column 3: "!"');
  await expect(problems).toContainText("used already in line 1");
  await expect(problems).toContainText("The record has no sequence");
  await expect(problems).toContainText("no identifier");
  await page.getByLabel(query).fill("ACGTACGT");
  await expect(problems).toContainText("named Query_1");
  await page.getByLabel(query).fill(">p\nMKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ\n");
  await expect(problems).toContainText("protein sequence, and the program takes nucleotide queries");
});

test("options out of range are told at their field and not sent", async ({ page }) => {
  await page.getByLabel(query).fill(await genes(1));
  await page.getByLabel("Word size").fill("2");
  await expect(page.locator("p.problem[data-field=word_size]")).toContainText("4 to 1000");
  await page.getByRole("button", { name: "Run BLAST" }).click();
  await expect(page.locator("#problems")).toBeVisible();
  await expect(page).toHaveURL(/\/search$/);
});

test("options as text are an allow-list", async ({ page }) => {
  await page.getByLabel("More options, as text").fill("-evalue 1e-5 -out /tmp/x");
  await expect(page.locator("p.problem[data-field=extra]")).toContainText("-out is set by the server");
  await page.getByLabel("More options, as text").fill("-evalue 1e-5");
  await expect(page.locator("#command")).toContainText("-evalue 1e-5");
});

test("numbers are read and written in the browser as on the server", async ({ page }) => {
  const evalue = page.locator("#option-evalue");
  const problem = page.locator("p.problem[data-field=evalue]");
  // The right-hand sides are those of the unit tests of the shared core.
  for (const [typed, written] of [
    ["0.0001", "1e-4"],
    ["0.00000025", "2.5e-7"],
    ["5.", "5"],
    [".5", "0.5"],
    ["1E+3", "1000"],
    ["1e-180", "1e-180"],
  ] as const) {
    await evalue.fill(typed);
    await expect(page.locator("#command")).toContainText(new RegExp(`-evalue ${written.replace(".", "\\.")}(\\s|$)`));
    await expect(problem).toBeHidden();
  }
  for (const typed of ["1e", "0x10", "1,5", "infinity", "1e7"]) {
    await evalue.fill(typed);
    await expect(problem).toContainText("must be a number above 0, to 1000000, for example 0.05 or 1e-10");
  }
});

test("what only the server finds comes back to the form", async ({ page }) => {
  const file = { name: "q.fa.gz", mimeType: "application/gzip", buffer: gzipSync(">a\nAC!T\n") };
  await page.locator("#query_file").setInputFiles(file);
  await page.getByRole("button", { name: "Run BLAST" }).click();
  await expect(page.locator("#problems-list")).toContainText("line 2");
  await expect(page.getByRole("button", { name: "Run BLAST" })).toBeEnabled();
});

test("a compressed file is searched with", async ({ page }) => {
  const file = { name: "genes.fa.gz", mimeType: "application/gzip", buffer: gzipSync(await genes(3)) };
  await page.locator("#query_file").setInputFiles(file);
  await page.getByRole("button", { name: "Run BLAST" }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}/);
  await expect(page.locator("dl.facts")).toContainText("3 sequences");
});

test("addresses that make no sense are pages that say so", async ({ page }) => {
  for (const [path, status, words] of [
    ["/jobs?status=lost", 400, "status"],
    ["/jobs/00000000-0000-7000-8000-000000000000", 404, "There is no such search"],
    ["/nowhere", 404, "There is no such page"],
  ] as const) {
    const answer = await page.goto(path);
    expect(answer?.status(), path).toBe(status);
    await expect(page.locator("main")).toContainText(words);
  }
});
