import { expect, test } from "../support/fixtures.ts";

test("the server says that it is up", async ({ request }) => {
  const answer = await request.get("/api/health");
  expect(answer.status()).toBe(200);
});

test("after kill -9 the server comes back at the same address", async ({ ownServer, request }) => {
  const address = ownServer.url;
  await ownServer.restart("kill");
  expect(ownServer.url).toBe(address);
  expect((await request.get(`${address}/api/health`)).status()).toBe(200);
});

test("the server ends cleanly when it is asked to", async ({ ownServer }) => {
  expect(await ownServer.stop()).toBe(0);
  expect(ownServer.running).toBe(false);
});
