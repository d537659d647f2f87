// Clusters: the page follows what is there, and searches of others are in the list.
import { alive, expectNoSidewaysScroll } from "../support/actions.ts";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test as base } from "../support/fixtures.ts";
import { Kubernetes, search } from "../support/kubernetes.ts";
import { Proxy } from "../support/proxy.ts";
import { Server } from "../support/server.ts";
import { hide, pass, show } from "../support/tabs.ts";

const test = base.extend<{ cluster: Kubernetes; watching: Server }>({
  cluster: async ({}, use) => {
    const cluster = await Kubernetes.start();
    await use(cluster);
    await cluster.dispose();
  },
  /** A server that watches the cluster, and one that is not there. */
  watching: async ({ cluster }, use) => {
    const settings = { ELB_KUBECONFIG: cluster.kubeconfig, ELB_CLUSTERS: "lab,elsewhere" };
    const server = await Server.start(settings);
    await use(server);
    await server.dispose();
  },
});

function put(cluster: Kubernetes, run: string, state: Parameters<typeof search>[1]): void {
  const { jobs, pods } = search(run, state);
  cluster.put("jobs", jobs);
  cluster.put("pods", pods);
}

test("a search of somebody else shows by itself, on the page of clusters and in the list", async ({ page, cluster, watching }) => {
  await page.goto(`${watching.url}/jobs`);
  await alive(page);
  put(cluster, "job-of-others", "searching");
  const row = page.locator("tr", { hasText: "blastn against nt" });
  await expect(row).toContainText("query not kept here");
  await row.getByRole("link", { name: "blastn against nt" }).click();
  await expect(page.locator("dl.facts")).toContainText("cluster lab, namespace default");

  await page.getByRole("link", { name: "Clusters" }).click();
  const place = page.locator("#clusters section", { hasText: "lab" });
  await expect(place).toContainText("Live");
  await expect(page.locator("#clusters section", { hasText: "elsewhere" })).toContainText("Not found");
  const pods = place.locator("details").first();
  await pods.locator("summary").click();
  await expect(pods).toContainText("searching");
  put(cluster, "job-of-others", "failed");
  await expect(place).toContainText("ran out of memory", { timeout: 20_000 });
  // What the reader has opened stays open.
  await expect(place.locator("details").first()).toHaveAttribute("open", "");
});

test("the page follows the event stream: it asks once for a change and hardly without one, and says how it stands", async ({ page, cluster, watching }) => {
  const front = await Proxy.start(watching.url);
  try {
    put(cluster, "job-followed", "waiting");
    const place = page.locator("#clusters section", { hasText: "lab" });
    await expect(async () => {
      await page.goto(`${front.url}/clusters`);
      await expect(place).toContainText("3 Insufficient memory", { timeout: 5_000 });
    }).toPass({ timeout: 120_000 });
    await page.clock.install();
    await page.reload();
    await alive(page);
    const live = page.locator("#live");
    await expect(live).toHaveAttribute("data-state", "live");
    await expect(live).toHaveText("Live: changes show by themselves");
    const pages = () => front.requests.filter((path) => path === "/clusters").length;
    const before = front.requests.length;
    for (let minute = 0; minute < 3; minute += 1) await pass(page, front, 60_000);
    expect(front.requests.length - before).toBeLessThanOrEqual(3 * 4);
    expect(front.requests.length - before).toBeGreaterThanOrEqual(2);
    await expect(live).toHaveAttribute("data-state", "live");

    const shown = { all: front.requests.length, pages: pages() };
    put(cluster, "job-followed", "failed");
    await expect(place).toContainText("ran out of memory");
    // Its Jobs and its pods change one after the other.
    expect(pages() - shown.pages).toBeGreaterThanOrEqual(1);
    expect(front.requests.length - shown.all).toBeLessThanOrEqual(3);

    await hide(page);
    await expect(live).toHaveAttribute("data-state", "paused");
    await expect.poll(() => front.open).toBe(0);
    const hidden = front.requests.length;
    await page.clock.runFor(10 * 60_000);
    expect(front.requests.length).toBe(hidden);
    front.blocked = true;
    await show(page);
    await expect
      .poll(async () => {
        await page.clock.runFor(1_000);
        return live.getAttribute("data-state");
      })
      .toBe("polling");
    await expect(live).toHaveText("Polling: changes show some seconds late");
    put(cluster, "job-after", "searching");
    await expect
      .poll(async () => {
        await page.clock.runFor(1_000);
        return place.textContent();
      })
      .toContain("job-after");
  } finally {
    await front.stop();
  }
});

test("the log of a pod is followed, and read when the pod is gone", async ({ page, cluster, watching }) => {
  const pod = search("job-with-pods", "searching").pods.metadata.name;
  put(cluster, "job-with-pods", "searching");
  cluster.print(pod, "searching batch 1");
  await expect(async () => {
    await page.goto(`${watching.url}/jobs/job-with-pods`);
    await page.getByLabel("Log of").selectOption({ label: `blast of ${pod}: running` }, { timeout: 5_000 });
  }).toPass({ timeout: 120_000 });
  await page.getByRole("button", { name: "Show" }).click();
  const log = page.locator("#log");
  await expect(log).toContainText("searching batch 1");
  await alive(page);
  cluster.print(pod, "Error: no memory");
  await expect(log.locator("li.error")).toHaveText(/Error: no memory/);
  await expect(log.locator("li")).toHaveCount(2);
  await page.getByLabel("Search the log").fill("batch");
  await expect(page.locator("#log-found")).toHaveText("1 of 2 lines");
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
  put(cluster, "job-with-pods", "failed");
  await expect(async () => {
    const kept = await page.request.get(`${watching.url}/api/blast/jobs/job-with-pods/pods`);
    expect((await kept.json()).logs[0].kept).toBe(true);
  }).toPass({ timeout: 120_000 });
  cluster.remove("pods", pod);
  await page.reload();
  await expect(log.locator("li")).toHaveCount(2);
  await expect(page.getByLabel("Log of").locator("option:checked")).toHaveText(`blast of ${pod}: ended with 4`);
});

test("a cluster that goes away keeps what was seen last, and says how old it is", async ({ page, cluster, watching }) => {
  put(cluster, "job-kept", "waiting");
  await page.goto(`${watching.url}/clusters`);
  const place = page.locator("#clusters section", { hasText: "lab" });
  await expect(async () => {
    await page.reload();
    await expect(place).toContainText("3 Insufficient memory", { timeout: 5_000 });
  }).toPass({ timeout: 120_000 });
  await cluster.stop();
  await expect(place).toContainText("Frozen", { timeout: 40_000 });
  await expect(place).toContainText("Does not answer");
  await expect(place).toContainText("3 Insufficient memory");
  const list = await page.request.get(`${watching.url}/api/blast/jobs`);
  expect(list.status()).toBe(200);
});

test("the page is accessible and fits its window, in both themes", async ({ page, cluster, watching }) => {
  for (const [run, state] of [["job-a", "waiting"], ["job-b", "searching"], ["job-c", "failed"]] as const) put(cluster, run, state);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.goto(`${watching.url}/clusters`);
    await expect(page.locator("#clusters")).toContainText("job-c");
    for (const summary of await page.locator("#clusters details summary").all()) await summary.click();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  }
});
