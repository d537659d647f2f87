// What a burst of submissions does to everybody else: page times while 500 searches arrive at once.
// Starts the program on an empty data folder with the example databases and prints medians and ratio.
// Usage: node scripts/bench-burst.mjs [SEARCHES] [BINARY]   (default 500, the release binary).
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const SEARCHES = Number(process.argv[2] ?? 500);
const BINARY = resolve(process.argv[3] ?? join(import.meta.dirname, "../target/release/elb-dashboard"));
const LISTENING = /listening on (http:\S+)\s/;
const GENES = "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta";
/** Pages that are asked for while nothing else happens. */
const IDLE_ROUNDS = 50;
const DATABASE_TIMEOUT_MS = 60_000;

const data = mkdtempSync(join(tmpdir(), "elb-burst-"));
const env = { ...process.env, ELB_LISTEN: "127.0.0.1:0", ELB_DATA_DIR: data, ELB_LOG: "error", ELB_MAX_ACTIVE: String(2 * SEARCHES) };
const child = spawn(BINARY, [], { env, stdio: ["ignore", "pipe", "inherit"] });
const ended = new Promise((done) => child.once("exit", done));

try {
  await measure(await address());
} finally {
  child.kill("SIGTERM");
  await ended;
  rmSync(data, { recursive: true, force: true });
}

function address() {
  return new Promise((done, failed) => {
    let seen = "";
    child.once("exit", (code) => failed(new Error(`the server ended with ${code}`)));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      seen += text;
      const found = LISTENING.exec(seen)?.[1];
      if (found !== undefined) done(found);
    });
  });
}

/** Milliseconds that one page took, from the request to its last byte. */
async function page(base, path) {
  const began = performance.now();
  const answer = await fetch(base + path);
  await answer.text();
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return performance.now() - began;
}

async function ready(base) {
  const end = Date.now() + DATABASE_TIMEOUT_MS;
  while (Date.now() < end) {
    const { databases } = await (await fetch(`${base}/api/blast/databases`)).json();
    const names = databases.map(({ name }) => name);
    if (names.includes("16S_rRNA") && names.includes("uniprot_sample")) return;
    await pause(100);
  }
  throw new Error("the example databases were not made");
}

async function measure(base) {
  await ready(base);
  const gene = `>${readFileSync(GENES, "utf8").split(">")[1]}`.replaceAll("\t", " ");
  const paths = ["/jobs", "/search", "/databases"];
  const idle = [];
  for (let round = 0; round < IDLE_ROUNDS; round += 1) {
    for (const path of paths) idle.push(await page(base, path));
  }
  const statuses = {};
  const body = (number) => JSON.stringify({ program: "blastn", database: "16S_rRNA", query: gene, title: `search ${number}` });
  const submit = async (number) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${base}/api/blast/jobs`, { method: "POST", headers, body: body(number) });
    await answer.text();
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
  };
  const began = performance.now();
  let over = false;
  const burst = Promise.all(Array.from({ length: SEARCHES }, (_, number) => submit(number))).then(() => (over = true));
  const during = [];
  while (!over) {
    for (const path of paths) during.push(await page(base, path));
  }
  await burst;
  const took = performance.now() - began;
  const after = [];
  for (let round = 0; round < IDLE_ROUNDS; round += 1) {
    for (const path of paths) after.push(await page(base, path));
  }
  const counts = Object.entries(statuses).map(([status, count]) => `${count} × ${status}`).join(", ");
  console.log(`${SEARCHES} submissions at once: ${counts}, in ${(took / 1_000).toFixed(1)} s`);
  row("pages while idle", idle, idle);
  row("pages during the burst", during, idle);
  row("pages while the searches run", after, idle);
}

function row(label, values, base) {
  const at = (list, share) => list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) * share)];
  const [median, worst] = [at(values, 0.5), at(values, 0.95)];
  const ratio = (median / at(base, 0.5)).toFixed(1);
  console.log(`  ${label.padEnd(30)} median ${median.toFixed(1).padStart(7)} ms   95 % ${worst.toFixed(1).padStart(7)} ms   ${ratio} × idle (${values.length} pages)`);
}
