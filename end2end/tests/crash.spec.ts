// kill -9 in the middle of a search: it goes on, each batch once, and the page finds the server again.
import { alive, ended, examplesReady, genes, submit } from "../support/actions.ts";
import { expect, test } from "../support/fixtures.ts";

interface Line {
  text: string;
}

interface Step {
  key: string;
  state: string;
  started_at?: string;
  finished_at?: string;
}

test("a search survives kill -9 and no batch runs twice", async ({ ownServer, page, request }) => {
  test.slow();
  const base = ownServer.url;
  await examplesReady(request, base);
  const id = await submit(request, { program: "blastn", database: "16S_rRNA", query: await genes(40), options: { max_target_seqs: 100 } }, base);
  await page.goto(`${base}/jobs/${id}`);
  await alive(page);
  await expect
    .poll(async () => {
      const job = (await (await request.get(`${base}/api/blast/jobs/${id}`)).json()) as { progress: { batches_done: number } };
      return job.progress.batches_done;
    }, { timeout: 100_000 })
    .toBeGreaterThan(0);
  await ownServer.restart("kill");
  expect(await ended(request, id, base, 100_000)).toBe("completed");
  const log = (await (await request.get(`${base}/api/blast/jobs/${id}/logs?limit=2000`)).json()) as { lines: Line[] };
  const done = log.lines.map(({ text }) => text).filter((text) => text.includes(": done in")).map((text) => text.split(":")[0]);
  expect(new Set(done).size).toBe(done.length);
  const job = (await (await request.get(`${base}/api/blast/jobs/${id}`)).json()) as { steps: Step[]; progress: { batches_total: number } };
  expect(done.length).toBe(job.progress.batches_total);
  for (const step of job.steps) expect(step.started_at, step.key).toBeDefined();
  // Without a reload by hand the page has found the server again and shows the results.
  await expect(page.locator("#results")).toBeVisible({ timeout: 30_000 });
});
