// A server that goes away under an open page: killed or restarted, the page finds it again and says so.
import type { Page } from "@playwright/test";
import { alive, examplesReady, genes, phaseOf, submit } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";

const live = (page: Page) => page.locator("#live");

for (const how of ["kill", "stop"] as const) {
  test(`pages recover by themselves from a server that is restarted (${how}), and say so`, async ({ ownServer, page, request }) => {
    test.slow();
    const base = ownServer.url;
    await examplesReady(request, base);
    const id = await submit(request, { program: "tblastx", database: "16S_rRNA", query: await genes(300), title: "goes on" }, base);
    await expect.poll(() => phaseOf(request, id, base), { timeout: 40_000 }).toBe("running");
    const list = await page.context().newPage();
    for (const [open, path] of [[page, `/jobs/${id}`], [list, "/jobs"]] as const) {
      await open.goto(base + path);
      await alive(open);
      await expect(live(open)).toContainText("Live");
      await open.evaluate(() => Object.assign(window, { notReloaded: true }));
    }
    await ownServer[how]();
    for (const open of [page, list]) {
      const told = how === "stop" ? "The server is restarting" : "Reconnecting; last heard of";
      await expect(live(open)).toContainText(told);
    }
    await ownServer.resume();
    for (const open of [page, list]) {
      await expect(live(open)).toHaveText(/^Reconnected at \d\d:\d\d:\d\d; the connection had been broken for /, { timeout: 30_000 });
      await expect(live(open)).toHaveAttribute("role", "status");
    }
    // What happens from now on shows as before.
    const title = `new ${Date.now()}`;
    await submit(request, { program: "blastn", database: "16S_rRNA", query: await genes(1), title }, base);
    await expect(list.locator("tr[data-key]", { hasText: title })).toBeVisible();
    await page.getByRole("button", { name: "Cancel the search" }).click();
    await expect(page.locator(".status-line .badge")).toContainText("Cancelled", { timeout: 20_000 });
    expect(await list.evaluate(() => "notReloaded" in window)).toBe(true);
  });
}
