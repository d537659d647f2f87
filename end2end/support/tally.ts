// Writes one plain line, `N passed, N failed, N skipped`, to test-results/tally.txt.
// `make test` ends with it, so that a machine can read the outcome; people have the list reporter.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { FullConfig, Reporter, Suite } from "@playwright/test/reporter";

const FILE = resolve(import.meta.dirname, "../test-results/tally.txt");

export default class Tally implements Reporter {
  #suite: Suite | undefined;

  onBegin(_config: FullConfig, suite: Suite): void {
    this.#suite = suite;
    rmSync(FILE, { force: true });
  }

  onEnd(): void {
    const tests = this.#suite?.allTests() ?? [];
    const count = (...outcomes: string[]): number =>
      tests.filter((test) => outcomes.includes(test.outcome())).length;
    mkdirSync(dirname(FILE), { recursive: true });
    // A flaky test has failed once: it counts as failed.
    const failed = count("unexpected", "flaky");
    writeFileSync(FILE, `${count("expected")} passed, ${failed} failed, ${count("skipped")} skipped\n`);
  }

  printsToStdio(): boolean {
    return false;
  }
}
