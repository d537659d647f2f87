// The first-load budget: what a browser downloads before the first page is alive.
// Sums the brotli sizes (quality 11, as served) of JavaScript, WebAssembly and CSS under target/site/pkg.
// Usage: node scripts/check-size.mjs [FOLDER]; exit code 1 above the budget or if nothing was built.
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const BUDGET_BYTES = 115 * 1024;
const COUNTED = new Set([".js", ".wasm", ".css"]);

const root = resolve(process.argv[2] ?? join(import.meta.dirname, "../target/site/pkg"));

function filesUnder(folder) {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && COUNTED.has(extname(entry.name)))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .sort();
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    return [];
  }
}

function brotliSize(bytes) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return brotliCompressSync(bytes, { params }).length;
}

const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
const row = (name, plain, packed) => console.log(`${name.padEnd(40)} ${plain.padStart(11)} ${packed.padStart(11)}`);

const files = filesUnder(root).map((path) => {
  const bytes = readFileSync(path);
  return { name: relative(root, path), plain: bytes.length, packed: brotliSize(bytes) };
});
if (!files.some(({ name }) => name.endsWith(".wasm"))) {
  console.error(`check-size: no WebAssembly under ${root}: run \`make build\` first`);
  process.exit(1);
}

const sum = (key) => files.reduce((total, file) => total + file[key], 0);
row("file", "plain", "brotli");
for (const { name, plain, packed } of files) row(name, kilobytes(plain), kilobytes(packed));
row("together", kilobytes(sum("plain")), kilobytes(sum("packed")));

const over = sum("packed") - BUDGET_BYTES;
if (over > 0) {
  console.error(`check-size: ${kilobytes(over)} above the budget of ${kilobytes(BUDGET_BYTES)}`);
  process.exit(1);
}
console.log(`within the budget of ${kilobytes(BUDGET_BYTES)}, ${kilobytes(-over)} to spare`);
