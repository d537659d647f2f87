// How long after a write another person sees it: from the sending of the write until the row of a second
// browser's list is drawn. Starts the release binary on a data folder of its own, without searches under way: the
// writes delete and restore searches that have ended. Also counts what an open page asks in a minute: live for minutes
// that pass, since its stream has to go on meanwhile, and with its stream blocked by a clock that is moved.
// Usage: node scripts/bench-live.mjs [WRITES]   (default 200). Ends each process that it started.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const { chromium } = createRequire(resolve(import.meta.dirname, "../end2end/package.json"))("playwright-core");
const BINARY = process.env.BENCH_BINARY ?? resolve(import.meta.dirname, "../target/release/elb-dashboard");
const WRITES = Number(process.argv[2] ?? 200);
const LISTENING = /listening on (http:\/\/127\.0\.0\.1:\d+)\s/;
/** Longer than anything takes: a change that is not shown by then is lost. */
const PATIENCE_MS = 30_000;
const MINUTES = 5;
/** The minutes that pass. */
const LIVE_MINUTES = 3;
/** Pieces of a minute in which the page's clock is moved, so that answers arrive in between. */
const STEP_MS = 1_000;

const dataDir = mkdtempSync(join(tmpdir(), "elb-bench-"));
const env = { ...process.env, ELB_LISTEN: "127.0.0.1:0", ELB_DATA_DIR: dataDir, ELB_LOG: "info" };
const server = spawn(BINARY, [], { env, stdio: ["ignore", "pipe", "inherit"] });
const exited = new Promise((done) => server.once("exit", done));
process.once("exit", () => server.kill("SIGKILL"));
const url = await new Promise((done, failed) => {
  let seen = "";
  server.once("exit", (code) => failed(new Error(`the server ended with ${code}`)));
  server.stdout.setEncoding("utf8").on("data", (text) => {
    seen = (seen + text.replace(/\u001b\[[0-9;]*m/g, "")).slice(-10_000);
    const address = LISTENING.exec(seen)?.[1];
    if (address) done(address);
  });
});

async function ask(method, path, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? undefined : answer.json();
}

/** Asks until what is answered is as wanted. */
async function until(path, wanted) {
  for (const end = Date.now() + 2 * PATIENCE_MS; ; ) {
    const answer = await ask("GET", path);
    if (wanted(answer)) return answer;
    if (Date.now() > end) throw new Error(`${path} did not become as wanted`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** The list in a browser of its own, which calls back with the time at which a row came or went. */
async function watch(browser, path) {
  const page = await (await browser.newContext()).newPage();
  const waiting = new Map();
  await page.exposeBinding("rowSeen", (_, key, there, at) => waiting.get(`${key} ${there}`)?.(at));
  await page.goto(url + path);
  await page.locator("#live[data-state=live]").waitFor();
  await page.evaluate(() => {
    const tell = (nodes, there) => {
      for (const node of nodes) if (node.dataset?.key) window.rowSeen(node.dataset.key, there, Date.now());
    };
    const body = document.getElementById("jobs-body");
    new MutationObserver((changes) => {
      for (const { addedNodes, removedNodes } of changes) {
        tell(addedNodes, true);
        tell(removedNodes, false);
      }
    }).observe(body, { childList: true });
  });
  return (key, there) =>
    new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error(`${key} was not shown`)), PATIENCE_MS);
      waiting.set(`${key} ${there}`, (at) => {
        clearTimeout(late);
        done(at);
      });
    });
}

/** What a page asks in a minute, on average. */
async function requestsPerMinute(browser, path, blocked) {
  const context = await browser.newContext();
  const page = await context.newPage();
  if (blocked) {
    await page.route("**/api/blast/events*", (route) => route.fulfill({ status: 503 }));
    await page.clock.install();
  }
  await page.goto(url + path);
  await page.locator(blocked ? "#live[data-state]" : "#live[data-state=live]").waitFor();
  let requests = 0;
  page.on("request", () => (requests += 1));
  if (blocked) for (let at = 0; at < MINUTES * 60_000; at += STEP_MS) await page.clock.runFor(STEP_MS);
  else await new Promise((done) => setTimeout(done, LIVE_MINUTES * 60_000));
  await context.close();
  return requests / (blocked ? MINUTES : LIVE_MINUTES);
}

await until("/api/blast/databases", ({ databases }) => databases.some(({ name }) => name === "16S_rRNA"));
const query = `>query\n${"ACGTTGCAAGCTTGCA".repeat(12)}\n`;
const ids = [];
for (const title of ["kept", "deleted and restored"]) {
  const { job_id: id } = await ask("POST", "/api/blast/jobs", { program: "blastn", database: "16S_rRNA", query, title });
  await until(`/api/blast/jobs/${id}`, ({ status }) => status === "completed");
  ids.push(id);
}
const launch = { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] };
const browser = await chromium.launch(launch);
const seen = await watch(browser, "/jobs");
const times = [];
for (let write = 0; write < WRITES; write += 1) {
  const there = write % 2 === 1;
  const shown = seen(ids[1], there);
  const sent = Date.now();
  if (there) await ask("POST", `/api/blast/jobs/${ids[1]}/restore`);
  else await ask("DELETE", `/api/blast/jobs/${ids[1]}`);
  times.push((await shown) - sent);
}
const sorted = times.toSorted((one, other) => one - other);
const share = (part) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)];
console.log(`${WRITES} writes, one at a time: p50 ${share(0.5)} ms, p99 ${share(0.99)} ms, most ${share(1)} ms from the sending to the row in a second browser`);
const counted = [
  ["the list, live", "/jobs", false],
  ["the list, its stream blocked", "/jobs", true],
].map(async ([name, path, blocked]) => `${name}: ${(await requestsPerMinute(browser, path, blocked)).toFixed(1)} requests a minute`);
for (const line of counted) console.log(await line);
await browser.close();
server.kill("SIGTERM");
await exited;
rmSync(dataDir, { recursive: true, force: true });
process.exit(0);
