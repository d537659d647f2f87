// What every test imports instead of @playwright/test: `test` with a running server, and `expect`.
// `server` is shared by the tests of a worker: a test must not end it, nor rely on an empty list.
// `ownServer` is for a test that restarts or kills the server: its own process, data and page address.
import { test as base } from "@playwright/test";
import { Server } from "./server.ts";

export { expect } from "@playwright/test";
export type { Server } from "./server.ts";

interface TestFixtures {
  /** Extra `ELB_…` variables of `ownServer`: `test.use({ ownServerSettings: { … } })`. */
  ownServerSettings: Record<string, string>;
  /** A server for this test alone. Address pages with `ownServer.url`. */
  ownServer: Server;
  /** Keeps the log of the shared server with a failed test. */
  serverLog: void;
}

interface WorkerFixtures {
  server: Server;
}

interface Attaching {
  status?: string | undefined;
  expectedStatus: string;
  attach(name: string, options: { body: string; contentType: string }): Promise<void>;
}

async function keepLogOfFailure(info: Attaching, name: string, log: string): Promise<void> {
  if (info.status === info.expectedStatus) return;
  await info.attach(name, { body: log, contentType: "text/plain" });
  console.error(`--- ${name}, its end:\n${log.slice(-4_000)}`);
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  server: [
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.dispose();
    },
    { scope: "worker" },
  ],
  // `page.goto("/jobs")` and `request.get("/api/jobs")` go to the shared server.
  baseURL: async ({ server }, use) => use(server.url),
  serverLog: [
    async ({ server }, use, info) => {
      const before = server.log.length;
      await use();
      // Of a log that was cut meanwhile all is kept; of one that grew, what this test added.
      const added = server.log.length > before ? server.log.slice(before) : server.log;
      await keepLogOfFailure(info, "server.log", added);
    },
    { auto: true },
  ],
  ownServerSettings: [{}, { option: true }],
  ownServer: async ({ ownServerSettings }, use, info) => {
    const server = await Server.start(ownServerSettings);
    await use(server);
    await keepLogOfFailure(info, "own-server.log", server.log);
    await server.dispose();
  },
});
