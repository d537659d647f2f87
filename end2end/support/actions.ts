// What a person does, one helper an action, and the data that tests search with.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { expect, type APIRequestContext, type Page } from "@playwright/test";

const RRNA = "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta";
const PROTEINS = "/usr/share/doc/mmseqs2/example-data/DB.fasta.gz";

/** The first records of a FASTA file of a Debian package, from `skip` on. */
async function records(path: string, skip: number, count: number): Promise<string> {
  const file = createReadStream(path);
  const input = path.endsWith(".gz") ? file.pipe(createGunzip()) : file;
  const lines: string[] = [];
  let record = -1;
  for await (const line of createInterface({ input })) {
    if (line.startsWith(">")) record += 1;
    if (record >= skip + count) break;
    if (record >= skip) lines.push(line.replaceAll("\t", " "));
  }
  file.destroy();
  return `${lines.join("\n")}\n`;
}

/** Real 16S rRNA genes. */
export const genes = (count: number, skip = 0): Promise<string> => records(RRNA, skip, count);
/** Real proteins of UniProt. */
export const proteins = (count: number, skip = 0): Promise<string> => records(PROTEINS, skip, count);

/** Waits until the two example databases have been made (once a server). */
export async function examplesReady(request: APIRequestContext, base = ""): Promise<void> {
  await expect
    .poll(async () => {
      const answer = await request.get(`${base}/api/blast/databases`);
      const { databases } = (await answer.json()) as { databases: { name: string }[] };
      return databases.map(({ name }) => name).sort();
    }, { timeout: 200_000 })
    .toEqual(expect.arrayContaining(["16S_rRNA", "uniprot_sample"]));
}

/** Submits through the API and returns the job's id. */
export async function submit(
  request: APIRequestContext,
  search: Record<string, unknown>,
  base = "",
): Promise<string> {
  const answer = await request.post(`${base}/api/blast/jobs`, { data: search });
  expect(answer.status(), await answer.text()).toBe(202);
  return ((await answer.json()) as { job_id: string }).job_id;
}

/** Waits until a job has ended and returns its status. */
export async function ended(request: APIRequestContext, id: string, base = "", timeout = 200_000): Promise<string> {
  let status = "";
  await expect
    .poll(async () => {
      const answer = await request.get(`${base}/api/blast/jobs/${id}`);
      status = ((await answer.json()) as { status: string }).status;
      return ["completed", "failed", "cancelled"].includes(status);
    }, { timeout })
    .toBe(true);
  return status;
}

/** Where a job is. */
export async function phaseOf(request: APIRequestContext, id: string, base = ""): Promise<string> {
  const answer = await request.get(`${base}/api/blast/jobs/${id}`);
  return ((await answer.json()) as { phase: string }).phase;
}

/** Waits until the islands of a page are alive. */
export async function alive(page: Page): Promise<void> {
  // Set by the last island of every page.
  await expect(page.locator("html")).toHaveAttribute("data-alive", "");
}

/** No element sticks out of the window to the side. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(excess).toBeLessThanOrEqual(0);
}
