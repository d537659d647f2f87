// How long a person waits after the start: from the start of the process to the first whole page.
// Starts the release binary on an empty and on a used data folder, in turns, and prints medians.
// Usage: node scripts/bench-start.mjs [ROUNDS]   (default 9). Ends each process that it started.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const BINARY = resolve(import.meta.dirname, "../target/release/elb-dashboard");
const ROUNDS = Number(process.argv[2] ?? 9);
const LISTENING = /listening on (http:\S+)/;

function start(dataDir) {
  const began = performance.now();
  const env = { ...process.env, ELB_LISTEN: "127.0.0.1:0", ELB_DATA_DIR: dataDir, ELB_EXAMPLES: "false", ELB_LOG: "error" };
  const child = spawn(BINARY, [], { env, stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((done, failed) => {
    let seen = "";
    child.once("exit", (code) => failed(new Error(`the server ended with ${code}`)));
    child.stdout.setEncoding("utf8").on("data", async (text) => {
      seen += text;
      const address = LISTENING.exec(seen)?.[1];
      if (address === undefined) return;
      child.stdout.removeAllListeners("data");
      const answer = await fetch(`${address}/jobs`);
      await answer.text();
      const took = performance.now() - began;
      child.removeAllListeners("exit");
      child.once("exit", () => (answer.ok ? done(took) : failed(new Error(`status ${answer.status}`))));
      child.kill("SIGTERM");
    });
  });
}

/** What a process costs that does nothing. */
function bare() {
  const began = performance.now();
  spawnSync(BINARY, ["--version"]);
  return performance.now() - began;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const used = mkdtempSync(join(tmpdir(), "elb-bench-"));
const rounds = { bare: [], empty: [], used: [] };
await start(used);
for (let round = 0; round < ROUNDS; round += 1) {
  const empty = mkdtempSync(join(tmpdir(), "elb-bench-"));
  rounds.bare.push(bare());
  rounds.empty.push(await start(empty));
  rounds.used.push(await start(used));
  rmSync(empty, { recursive: true, force: true });
}
rmSync(used, { recursive: true, force: true });
const base = median(rounds.bare);
console.log(`start to first page, median of ${ROUNDS} rounds:`);
for (const [name, values] of Object.entries(rounds)) {
  const label = { bare: "elb-dashboard --version", empty: "first start, empty data folder", used: "later start" }[name];
  console.log(`  ${label.padEnd(32)} ${median(values).toFixed(0).padStart(6)} ms   ${(median(values) / base).toFixed(1).padStart(6)} ×`);
}
