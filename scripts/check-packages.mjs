// The dependency budget: how many packages a default build of the server compiles, build scripts and macros
// included, tests not. Counted for one platform, so that it is the same number everywhere.
// Usage: node scripts/check-packages.mjs; exit code 1 above the budget.
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

/** Raise it on purpose only, and say in the commit what the new package does that those at hand cannot. */
const BUDGET = 402;
const TARGET = "x86_64-unknown-linux-gnu";

const cwd = resolve(import.meta.dirname, "..");
const args = ["tree", "--locked", "--package", "elb-server", "--target", TARGET, "--edges", "no-dev", "--prefix", "none", "--format", "{p}"];
const { status, stdout, error } = spawnSync("cargo", args, { cwd, encoding: "utf8", maxBuffer: 64 << 20, stdio: ["ignore", "pipe", "inherit"] });
if (error !== undefined || status !== 0) {
  console.error(`cargo cannot list the packages: ${error?.message ?? `exit code ${status}`}`);
  process.exit(1);
}
// "name v1.2.3", perhaps with where it is from and that it was listed before.
const named = stdout.split("\n").map((line) => /^\S+ v\S+/.exec(line)?.[0]);
const packages = new Set(named.filter((name) => name !== undefined));
console.log(`${packages.size} packages, budget ${BUDGET}`);
if (packages.size === 0 || packages.size > BUDGET) {
  console.error("The default build of the server has more packages than its budget, or none; see scripts/check-packages.mjs");
  process.exit(1);
}
