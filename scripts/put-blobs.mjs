// Puts folders into a container of an emulator of Azure Blob Storage, which is made if it is not there.
// Usage: node scripts/put-blobs.mjs ENDPOINT CONTAINER PREFIX FOLDER...
// ENDPOINT ends in the emulator's account: http://127.0.0.1:10000/devstoreaccount1. Each folder's files become
// PREFIX/NAME-OF-FOLDER/FILE.
import { createHmac } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";

// Public and the same everywhere; documented by Microsoft for emulators.
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const TYPE = "application/octet-stream";

const [endpoint, container, prefix, ...folders] = process.argv.slice(2);
if (!endpoint || !container || !prefix || folders.length === 0) {
  console.error("usage: node scripts/put-blobs.mjs ENDPOINT CONTAINER PREFIX FOLDER...");
  process.exit(2);
}
const account = basename(new URL(endpoint).pathname);

/** A PUT signed with the account's key (learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key). */
async function put(path, query, body, more) {
  const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-12-02", ...more };
  const named = Object.entries(headers).sort(([one], [other]) => (one < other ? -1 : 1));
  const length = body.length > 0 ? String(body.length) : "";
  const what = ["PUT", "", "", length, "", TYPE, "", "", "", "", "", ""].join("\n");
  const told = named.map(([name, value]) => `${name}:${value}\n`).join("");
  const asked = query ? `\n${query.replace("=", ":")}` : "";
  const text = `${what}\n${told}/${account}/${account}${path}${asked}`;
  const signature = createHmac("sha256", Buffer.from(KEY, "base64")).update(text).digest("base64");
  const answer = await fetch(`${endpoint}${path}${query ? `?${query}` : ""}`, {
    method: "PUT",
    headers: { ...headers, "content-type": TYPE, authorization: `SharedKey ${account}:${signature}` },
    body,
  });
  return { status: answer.status, text: await answer.text() };
}

const made = await put(`/${container}`, "restype=container", Buffer.alloc(0), {});
if (made.status !== 201 && made.status !== 409) {
  throw new Error(`the container ${container} cannot be made: ${made.status} ${made.text}`);
}
for (const folder of folders) {
  for (const file of await readdir(folder)) {
    const path = `/${container}/${prefix}/${basename(folder)}/${file}`;
    const stored = await put(path, "", await readFile(join(folder, file)), { "x-ms-blob-type": "BlockBlob" });
    if (stored.status !== 201) throw new Error(`${path} cannot be stored: ${stored.status} ${stored.text}`);
    console.error(`  stored   ${path}`);
  }
}
