// The browser tests on a cluster: against a dashboard that somebody has started (`make test-cluster` does), with
// its searches in real pods. E2E_CLUSTER_URL is its address, E2E_CLUSTER_DATABASES the folders of its databases here.
import { defineConfig } from "@playwright/test";
import usual from "./playwright.config.ts";

export default defineConfig({
  ...usual,
  testDir: "cluster",
  // Pods of a cluster that has just been started, beside whatever else this machine does.
  timeout: 300_000,
  workers: 1,
  reporter: [["list"]],
  projects: [{ name: "desktop", use: { viewport: { width: 1280, height: 800 } } }],
});
