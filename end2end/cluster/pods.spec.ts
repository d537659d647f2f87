// The way of a researcher whose search runs in pods: from the form to hits that are those of this machine.
import { expectAccessible } from "../support/accessibility.ts";
import { alive, ended, expectNoSidewaysScroll, genes, proteins, submit } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";

const there = process.env["E2E_CLUSTER_URL"] ?? "";
/** Far above what pods take. */
const PATIENCE = 240_000;

// The same databases in folders of this machine.
test.use({ ownServerSettings: { ELB_DATABASES: process.env["E2E_CLUSTER_DATABASES"] ?? "", ELB_EXAMPLES: "false" } });

test.beforeAll(() => {
  expect(there, "E2E_CLUSTER_URL names the dashboard").not.toBe("");
});

for (const { program, database, query } of [
  { program: "blastn", database: "16S_rRNA", query: () => genes(6, 40) },
  { program: "blastp", database: "proteins", query: () => proteins(6, 40) },
]) {
  test(`${program}: submitted in the browser, searched in pods, read as if it were here`, async ({ page, request, ownServer }) => {
    const text = await query();
    await page.goto(`${there}/search?program=${program}`);
    await alive(page);
    await page.getByLabel("Query sequences, in FASTA format").fill(text);
    await expect(page.locator("#query-summary")).toContainText("6 sequences");
    await page.getByLabel("Database", { exact: true }).selectOption(database);
    const title = `${program} in pods ${Date.now()}`;
    await page.getByLabel("Title").fill(title);
    await page.getByRole("button", { name: "Run BLAST" }).click();
    await page.waitForURL(/\/jobs\/[0-9a-f-]{36}/);
    const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
    await expect(page.getByRole("heading", { name: title })).toBeVisible();
    await expect(page.locator("#results")).toBeVisible({ timeout: PATIENCE });
    await expect(page.locator(".badge").first()).toContainText("Completed");
    await expect(page.locator("table.hits tbody tr").first()).toBeVisible();
    // What was made side by side for its submission is told, each with its time.
    const parts = page.locator("[data-step=submitting] [data-part]");
    await expect(parts).toHaveCount(3);
    await expect(parts.filter({ hasText: "Store the query" })).toContainText(/\d+\s?(ms|s)/);
    await expect(parts.filter({ hasText: "Remove earlier attempts" })).toContainText("skipped: this is the first attempt");
    // Where it ran is told, and its pods have left their logs.
    const pods = await request.get(`${there}/api/blast/jobs/${id}/pods`);
    expect(await pods.text()).toContain("stage-db");

    const here = ownServer.url;
    await expect
      .poll(async () => await (await request.get(`${here}/api/blast/databases`)).text(), { timeout: PATIENCE })
      .toContain(`"${database}"`);
    const same = await submit(request, { program, database, query: text }, here);
    expect(await ended(request, same, here, PATIENCE)).toBe("completed");
    const hsps = async (base: string, job: string): Promise<string> => {
      const answer = await request.get(`${base}/api/blast/jobs/${job}/results?format=hsps`);
      expect(answer.status()).toBe(200);
      return await answer.text();
    };
    const ours = await hsps(there, id);
    expect(ours.split("\n").length).toBeGreaterThan(6);
    expect(ours).toBe(await hsps(here, same));
  });
}

test("a database is warmed up and released from the page of the cluster", async ({ page }) => {
  await page.goto(`${there}/clusters`);
  await alive(page);
  const row = page.locator("table.copies tr", { hasText: "proteins" });
  await row.getByRole("button", { name: "Warm up proteins" }).click();
  await expect(row).toContainText("ready", { timeout: PATIENCE });
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 844 });
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  }
  await row.getByRole("button", { name: "Release proteins" }).click();
  await expect(row).toContainText("none that is known to have it", { timeout: PATIENCE });
});
