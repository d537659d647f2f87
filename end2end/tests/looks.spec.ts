// Every page in both themes and at both widths: accessible, and nothing sticks out.
import { alive, ended, examplesReady, expectNoSidewaysScroll, genes, submit } from "../support/actions.ts";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";

let done = "";
let failed = "";
let deleted = "";

test.beforeAll(async ({ request, server }) => {
  await examplesReady(request, server.url);
  const query = await genes(3);
  done = await submit(request, { program: "blastn", database: "16S_rRNA", query, title: "a rather long title ".repeat(9) }, server.url);
  await ended(request, done, server.url);
  failed = await submit(request, { program: "tblastx", database: "16S_rRNA", query: await genes(20) }, server.url);
  await request.post(`${server.url}/api/blast/jobs/${failed}/cancel`);
  await ended(request, failed, server.url);
  await request.post(`${server.url}/api/blast/jobs/${failed}/retry`);
  await request.post(`${server.url}/api/blast/jobs/${failed}/cancel`);
  await ended(request, failed, server.url);
  deleted = await submit(request, { program: "blastn", database: "16S_rRNA", query, title: "to be deleted" }, server.url);
  await ended(request, deleted, server.url);
  await request.delete(`${server.url}/api/blast/jobs/${deleted}`);
});

/** Addresses by what they are about; the ids are known when the tests run. */
const parts = {
  lists: () => [
    "/jobs",
    "/jobs?q=nothing-like-this",
    "/jobs?status=lost",
    `/jobs?deleted=${deleted}`,
    "/jobs/deleted",
    `/jobs/${deleted}`,
    "/databases",
    "/audit",
    "/audit?actor=nobody",
    "/audit?cursor=nowhere",
    "/health",
    "/nowhere",
  ],
  searches: () => [
    `/jobs/${done}`,
    `/jobs/${done}?view=graphic`,
    `/jobs/${done}?view=alignments`,
    `/jobs/${done}?view=queries`,
    `/jobs/${done}?q=nothing-like-this`,
    `/jobs/${failed}`,
    `/jobs/${failed}/history`,
    `/jobs/${done}/delete`,
  ],
  forms: () => ["/search", `/search?from=${done}`, "/search?program=blastx"],
};

for (const colorScheme of ["light", "dark"] as const) {
  for (const [part, paths] of Object.entries(parts)) {
    test(`every page is accessible and fits its window: ${part}, ${colorScheme}`, async ({ page }) => {
      test.slow();
      await page.emulateMedia({ colorScheme });
      for (const path of paths()) {
        await test.step(path, async () => {
          await page.goto(path);
          await alive(page);
          await expectAccessible(page);
          await expectNoSidewaysScroll(page);
        });
      }
    });
  }
}

test("the keyboard does everything", async ({ page }) => {
  await page.goto("/jobs");
  await alive(page);
  await page.keyboard.press("?");
  await expect(page.locator("#keys")).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await expect(page.locator("tr[data-key] a.row-link").first()).toBeFocused();
  await page.keyboard.press("/");
  await expect(page.locator("[data-filter]")).toBeFocused();
  await page.keyboard.press("Escape");
  await page.locator("h1").click();
  await page.keyboard.press("n");
  await page.waitForURL(/\/search$/);
  await alive(page);
  await page.locator("h1").click();
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  await page.waitForURL(/\/databases$/);
});

test("the switch of colours is remembered", async ({ page }) => {
  await page.goto("/jobs");
  await alive(page);
  await page.locator("#theme").click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "light");
  await page.locator("#theme").click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});
