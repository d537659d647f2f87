// How the browser tests run: which browser, at which sizes, and what is kept of a failure.
// There is no `webServer`: each worker starts its own server on a free port (support/fixtures.ts).
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  // A test takes seconds here, the longest half a minute; a machine may be ten times slower.
  timeout: 300_000,
  // Below the time after which a page takes its stream for dead and asks: what comes that late has not come by it.
  expect: { timeout: 25_000 },
  // A test that passes only the second time has failed.
  retries: 0,
  forbidOnly: process.env["CI"] !== undefined,
  // Each worker is a browser, a server and its BLAST+ processes; more than two slow each other down.
  workers: 2,
  reporter: [["list"], ["./support/tally.ts"]],
  use: {
    browserName: "chromium",
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
    launchOptions: {
      // Debian's browser: nothing is downloaded. CHROMIUM names another one.
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      args: [
        // As root, in a container, the sandbox cannot be set up; only our own pages are opened.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
      ],
    },
  },
  projects: [
    { name: "desktop", use: { viewport: { width: 1280, height: 800 } } },
    // The width of a window plays no part in how pages follow the server.
    { name: "mobile", testIgnore: ["live.spec.ts", "faults.spec.ts"], use: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } },
  ],
});
