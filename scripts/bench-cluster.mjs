// What a search on a cluster costs beside the search itself: from the submission to readable results, less the time
// that its slowest pod's containers say they took. The dashboard runs, for example by `make run-cluster`.
// Usage: node scripts/bench-cluster.mjs URL KUBECTL NAMESPACE [SEARCHES]
import { execFileSync } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";

const [url, kubectl, namespace, searches = "8"] = process.argv.slice(2);
if (!url || !kubectl || !namespace) {
  console.error("usage: node scripts/bench-cluster.mjs URL KUBECTL NAMESPACE [SEARCHES]");
  process.exit(2);
}
const DATABASE = "16S_rRNA";
const letters = "ACGT";
// The same each time, so that runs can be compared: a search that finds little and takes little.
const query = `>made\n${Array.from({ length: 1500 }, (_, at) => letters[(at * 7 + (at >> 3)) % 4]).join("")}\n`;

const ask = async (path, body) => {
  const options = body ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {};
  const answer = await fetch(url + path, options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};
const median = (numbers) => [...numbers].sort((one, other) => one - other)[numbers.length >> 1];

const rows = [];
for (let search = 0; search < Number(searches); search += 1) {
  const began = performance.now();
  const { job_id: id } = await ask("/api/blast/jobs", { program: "blastn", database: DATABASE, query });
  let job;
  do {
    await pause(20);
    job = await ask(`/api/blast/jobs/${id}`);
  } while (!["completed", "failed", "cancelled", "worker_lost"].includes(job.phase));
  const wall = performance.now() - began;
  if (job.phase !== "completed") throw new Error(`the search ${id} is ${job.phase}: ${JSON.stringify(job.failure)}`);
  const label = `elb-dashboard/job=${id}`;
  const pods = JSON.parse(execFileSync(kubectl, ["-n", namespace, "get", "pods", "-l", label, "-o", "json"], { encoding: "utf8" }));
  // Each container's last word is the runner's report.
  const own = pods.items.map(({ status }) =>
    [...status.initContainerStatuses, ...status.containerStatuses]
      .map((container) => JSON.parse(container.state.terminated.message).wall_ms)
      .reduce((sum, ms) => sum + ms, 0),
  );
  const steps = Object.fromEntries(
    job.steps.filter((step) => step.finished_at).map((step) => [step.key, new Date(step.finished_at) - new Date(step.started_at)]),
  );
  console.error(`search ${search + 1} of ${searches}: ${Math.round(wall)} ms`);
  rows.push({ wall: Math.round(wall), containers: Math.max(...own), overhead: Math.round(wall - Math.max(...own)), ...steps });
}
console.table(rows);
console.log(`median of ${rows.length}: ${median(rows.map((row) => row.wall))} ms, of which ${median(rows.map((row) => row.overhead))} ms beside the containers`);
