// How long after a change on the cluster another reader has the row: from the API server's answer to the change until
// `/api/blast/events` has sent it to a client in a process of its own. The changes are those of searches as ElasticBLAST
// makes them, one after the other: a Job appears, its pod searches, the Job is given up. All are hand-made; no
// controller and no node has a part in them.
// The dashboard watches the namespace (ELB_CLUSTERS) and may run anywhere.
// Usage: node scripts/bench-events.mjs URL KUBECTL NAMESPACE [SEARCHES]
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const READER = "--reader";
/** Longer than anything takes: a change that was not told by then is lost. */
const PATIENCE_MS = 30_000;
/** Now, the same clock for both processes, in milliseconds with fractions. */
const now = () => performance.timeOrigin + performance.now();

/** Tells its parent of each row of the stream when it has it. */
async function read(url) {
  const answer = await fetch(`${url}/api/blast/events`, { headers: { accept: "text/event-stream" } });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const decoder = new TextDecoder();
  let text = "";
  process.send({ listening: true });
  for await (const piece of answer.body) {
    const at = now();
    text += decoder.decode(piece, { stream: true });
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data:"));
      if (data) process.send({ at, data: data.slice(5) });
    }
  }
}

if (process.argv[2] === READER) {
  await read(process.argv[3]);
  process.exit(0);
}

const [url, kubectl, namespace, searches = "40"] = process.argv.slice(2);
if (!url || !kubectl || !namespace) {
  console.error("usage: node scripts/bench-events.mjs URL KUBECTL NAMESPACE [SEARCHES]");
  process.exit(2);
}

// The client's own proxy is the API server without a start of a process for each change.
const proxy = spawn(kubectl, ["proxy", "--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
const reader = fork(fileURLToPath(import.meta.url), [READER, url]);
process.on("exit", () => [proxy, reader].forEach((child) => child.kill()));
const [line] = await once(createInterface({ input: proxy.stdout }), "line");
const port = Number(/:(\d+)\s*$/.exec(line)?.[1]);
if (!port) throw new Error(`no port in: ${line}`);

const agent = new http.Agent({ keepAlive: true });
/** Asks the API server; when its answer had begun. */
function ask(method, path, body, type = "application/json") {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, host: "127.0.0.1", path, method, agent, headers: { "content-type": type } }, (answer) => {
      const at = now();
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => (text += piece));
      answer.on("end", () => (answer.statusCode < 300 ? resolve(at) : reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`))));
    });
    request.on("error", reject).end(body && JSON.stringify(body));
  });
}

/** Resolves with the time at which the reader has a row of that search that is as wanted. */
function told(id, wanted) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the row of ${id} was not told within ${PATIENCE_MS} ms`)), PATIENCE_MS);
    const look = ({ at, data }) => {
      if (!data?.includes(id)) return;
      const event = JSON.parse(data);
      const row = event.row ?? event.job ?? event;
      if (row.id !== id || !wanted(row)) return;
      clearTimeout(late);
      reader.off("message", look);
      resolve(at);
    };
    reader.on("message", look);
  });
}

const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
const pods = `/api/v1/namespaces/${namespace}/pods`;
const stamp = Date.now().toString(36);

const nameOf = (run) => `blastn-batch-nt-${run}`;
/** What searches; no scheduler takes its pods. */
const container = (run) => ({
  name: "blast",
  image: "elb-dashboard.test/none:1",
  env: [
    { name: "BLAST_ELB_JOB_ID", value: run },
    { name: "ELB_BLAST_PROGRAM", value: "blastn" },
    { name: "ELB_DB", value: "nt" },
  ],
});
const labelsOf = (run) => ({ app: "blast", "elb-job-id": run });
const podSpec = (run) => ({ restartPolicy: "Never", schedulerName: "elb-dashboard.test/none", containers: [container(run)] });

const job = (run) => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name: nameOf(run), labels: labelsOf(run) },
  // Its state is this script's to write, not the controller's.
  spec: { managedBy: "elb-dashboard.test/bench", template: { metadata: { labels: labelsOf(run) }, spec: podSpec(run) } },
});

const pod = (run) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: `${nameOf(run)}-0`, labels: { ...labelsOf(run), "job-name": nameOf(run), "batch.kubernetes.io/job-name": nameOf(run) } },
  spec: podSpec(run),
});

const kinds = { "a Job appears": [], "its pod searches": [], "it is given up": [] };
/** One change, from the API server's answer to the other reader. */
async function measure(kind, id, wanted, change) {
  const seen = told(id, wanted);
  const answered = await change();
  kinds[kind].push((await seen) - answered);
}

await new Promise((resolve) => reader.once("message", resolve));
for (let search = 0; search < Number(searches); search += 1) {
  const id = `job-bench-${stamp}-${search}`;
  const [one, its] = [`${jobs}/${nameOf(id)}`, `${pods}/${nameOf(id)}-0`];
  const merge = "application/merge-patch+json";
  await measure("a Job appears", id, () => true, () => ask("POST", jobs, job(id)));
  await ask("POST", pods, pod(id));
  const at = new Date().toISOString().replace(/\.\d+Z/, "Z");
  const running = { name: "blast", image: "none", imageID: "", ready: true, started: true, restartCount: 0, state: { running: { startedAt: at } } };
  const searching = { status: { phase: "Running", startTime: at, containerStatuses: [running] } };
  await measure("its pod searches", id, (row) => row.phase === "running", () => ask("PATCH", `${its}/status`, searching, merge));
  const condition = (type) => ({ type, status: "True", reason: "BackoffLimitExceeded", message: "for the measurement", lastTransitionTime: at, lastProbeTime: at });
  const failed = { status: { startTime: at, conditions: [condition("FailureTarget"), condition("Failed")] } };
  await measure("it is given up", id, (row) => row.phase === "failed", () => ask("PATCH", `${one}/status`, failed, merge));
  await ask("DELETE", its);
  await ask("DELETE", `${one}?propagationPolicy=Background`);
}
const shown = (times) => {
  const sorted = [...times].sort((one, other) => one - other);
  const share = (part) => Number(sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)].toFixed(1));
  return { events: sorted.length, p50: share(0.5), p99: share(0.99), most: share(1) };
};
const all = Object.values(kinds).flat();
console.table({ ...Object.fromEntries(Object.entries(kinds).map(([kind, times]) => [kind, shown(times)])), all: shown(all) });
const { p50, p99 } = shown(all);
console.log(`${all.length} changes, one at a time: p50 ${p50} ms, p99 ${p99} ms from the API server's answer to the row at another reader`);
process.exit(0);
