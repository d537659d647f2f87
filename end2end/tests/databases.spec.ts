// Databases: the examples, and one's own.
import { alive, examplesReady, genes, proteins } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";

test.beforeEach(async ({ page, request }) => {
  await examplesReady(request);
  await page.goto("/databases");
  await alive(page);
});

test("the examples say what they are and where they are from", async ({ page }) => {
  const rrna = page.locator("table.databases tbody tr", { hasText: "16S_rRNA" });
  await expect(rrna).toContainText("5\u202f181");
  await expect(rrna).toContainText("microbiomeutil-data");
  const uniprot = page.locator("table.databases tbody tr", { hasText: "uniprot_sample" });
  await expect(uniprot).toContainText("20\u202f000");
  await expect(uniprot).toContainText("mmseqs2-examples");
});

test("an uploaded file becomes a database that can be searched and deleted", async ({ page }, info) => {
  const name = `own_${info.project.name}_${Date.now()}`;
  const file = { name: "genes.fasta", mimeType: "text/plain", buffer: Buffer.from(await genes(20)) };
  await page.locator("#file").setInputFiles(file);
  await expect(page.locator("#detected")).toContainText("nucleotide");
  await expect(page.locator("#molecule")).toHaveValue("nucleotide");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Title", { exact: true }).fill("Twenty genes");
  await page.getByRole("button", { name: "Make the database" }).click();
  const row = page.locator("table.databases tbody tr", { hasText: name });
  await expect(row).toContainText("20", { timeout: 20_000 });
  await row.getByRole("link", { name: "Search" }).click();
  await expect(page.locator("#database")).toHaveValue(name);
  await page.goto("/databases");
  await alive(page);
  await row.locator("details.menu summary").click();
  await row.getByRole("button", { name: `Delete ${name}` }).click();
  await expect(row).toHaveCount(0);
});

test("a file that is not what it is said to be is refused with the reason", async ({ page }) => {
  const file = { name: "p.fasta", mimeType: "text/plain", buffer: Buffer.from(await proteins(5)) };
  await page.locator("#file").setInputFiles(file);
  await expect(page.locator("#molecule")).toHaveValue("protein");
  await page.locator("#molecule").selectOption("nucleotide");
  await page.getByLabel("Name", { exact: true }).fill("wrong_kind");
  await page.getByRole("button", { name: "Make the database" }).click();
  await expect(page.locator("#problems")).toContainText("look like protein");
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("wrong_kind");
});
