// The soak: readers of the event stream come and go for minutes while searches change, and in the middle the server is
// started again under them. At the end every reader has every change in order and the list as it is, those that the
// restart threw out have not come back all at once, and the server holds no more than at the beginning.
// Starts the program on an empty data folder; ends it, and exits with 1 if anything does not hold.
// Usage: node scripts/soak.mjs [BINARY]   (default: the release binary). Settings: SOAK_SECONDS (600),
// SOAK_READERS (200), SOAK_WRITES (20 a second), SOAK_SEED (the time; it is printed).
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const number = (name, usual) => Number(process.env[name] ?? usual);
const SECONDS = number("SOAK_SECONDS", 600);
const READERS = number("SOAK_READERS", 200);
const WRITES = number("SOAK_WRITES", 20);
const SEED = number("SOAK_SEED", Date.now() % 1e9);
const BINARY = resolve(process.argv[2] ?? join(import.meta.dirname, "../target/release/elb-dashboard"));
/** Searches that are deleted and restored in turns. */
const JOBS = 100;
/** How long a reader stays connected, in ms, at most; at least a fiftieth of it. */
const STAY = 20_000;
/** How long it stays away at most: some of them miss more than the server keeps. */
const AWAY = 2_000;
const AWAY_LONG = 90_000;
/** Every so many absences are long ones. */
const LONG_ONE_IN = 40;
/** Memory and open files are compared from here on: by then all readers have come and caches are full. */
const SETTLED = 0.45;
/** What may be added from there to the end: memory as a share of itself, open files as a number. */
const GROWTH = 0.1;
const FILES = 10;
const PATIENCE = 120_000;
/** When the server is started again, as a share of the time: early enough for what it holds to be compared after it. */
const RESTART = 0.3;
/** Of the readers that a restart throws out, the largest share that may be back within a tenth of a second. */
const HERD = 0.2;
const LISTENING = /listening on (http:\S+)\s/;
const GENES = "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta";

/** Random numbers below 1 that are the same for the same seed (mulberry32). */
function randomness(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const faults = [];
/** Set while the server is away. */
let away;
/** When readers that a restart threw out were back, in ms. */
const back = [];
let over = false;
let last = Number.MAX_SAFE_INTEGER;

/** A page that keeps the list by the event stream alone, as browsers do. */
class Reader {
  constructor(base, name) {
    Object.assign(this, { base, name, random: randomness(SEED + name), rows: new Map(), revision: undefined, changes: 0, snapshots: 0, connections: 0, retry: 2_000, thrown: false });
  }

  async run() {
    await this.list();
    while (!(over && this.revision >= last)) {
      const cut = new AbortController();
      const stay = over ? PATIENCE : STAY * (0.02 + 0.98 * this.random());
      const timer = setTimeout(() => cut.abort(), stay);
      try {
        await this.follow(cut.signal);
      } catch (error) {
        if (!cut.signal.aborted && !this.thrown && !away) faults.push(`reader ${this.name}: ${error.message}`);
      } finally {
        clearTimeout(timer);
        cut.abort();
      }
      if (this.thrown) {
        // As browsers do it: after the pause that the server named, whatever the reason.
        await pause(this.retry);
        continue;
      }
      const long = this.random() * LONG_ONE_IN < 1;
      if (!over) await Promise.race([pause((long ? AWAY_LONG : AWAY) * this.random()), ending]);
    }
  }

  async list() {
    const rows = new Map();
    const answer = await (await fetch(`${this.base}/api/blast/jobs?limit=200`)).json();
    for (const row of answer.jobs) rows.set(row.id, row);
    this.rows = rows;
    this.revision = answer.revision;
  }

  async follow(signal) {
    this.connections += 1;
    const headers = { accept: "text/event-stream", "last-event-id": String(this.revision) };
    const answer = await fetch(`${this.base}/api/blast/events`, { headers, signal });
    if (answer.status !== 200) throw new Error(`the stream is answered with ${answer.status}`);
    if (this.thrown) back.push(performance.now());
    this.thrown = false;
    let text = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        await this.take(text.slice(0, end));
        text = text.slice(end + 2);
      }
      if (over && this.revision >= last) return;
    }
  }

  async take(event) {
    const field = (name) => event.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    this.retry = Number(field("retry") ?? this.retry);
    const kind = field("event");
    if (kind === "bye") {
      this.thrown = true;
    } else if (kind === "snapshot") {
      this.snapshots += 1;
      await this.list();
    } else if (kind === "row") {
      const { revision, id, row } = JSON.parse(field("data"));
      // A list that was asked for after a snapshot may be ahead of the stream.
      if (revision <= this.revision) return;
      if (revision !== this.revision + 1) faults.push(`reader ${this.name}: ${revision} follows on ${this.revision}`);
      if (row === null) this.rows.delete(id);
      else this.rows.set(id, row);
      this.revision = revision;
      this.changes += 1;
    }
  }
}

function holds(pid) {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return { memory: pages * 4_096, files: readdirSync(`/proc/${pid}/fd`).length };
}

async function until(what, look) {
  const end = Date.now() + PATIENCE;
  while (!(await look())) {
    if (Date.now() > end) throw new Error(`it never came to this: ${what}`);
    await pause(100);
  }
}

async function seeded(base) {
  const get = async (path) => (await fetch(base + path)).json();
  await until("the example databases", async () => (await get("/api/blast/databases")).databases.some(({ name }) => name === "16S_rRNA"));
  const query = `>${readFileSync(GENES, "utf8").split(">")[1]}`.replaceAll("\t", " ");
  const headers = { "content-type": "application/json" };
  for (let job = 0; job < JOBS; job += 1) {
    const body = JSON.stringify({ program: "blastn", database: "16S_rRNA", query, title: `search ${job}`, options: { max_target_seqs: 1 } });
    const answer = await fetch(`${base}/api/blast/jobs`, { method: "POST", headers, body });
    if (answer.status !== 202) throw new Error(`a search was answered with ${answer.status}: ${await answer.text()}`);
    await answer.text();
  }
  await until("all searches have ended", async () => (await get("/api/blast/jobs")).totals.completed === JOBS);
  return (await get(`/api/blast/jobs?limit=${JOBS}`)).jobs.map(({ id }) => id);
}

/** Deletes and restores, evenly over the time, whatever each takes; how many writes there were. */
async function write(base, ids) {
  const began = performance.now();
  const answers = [];
  const deleted = new Set();
  const once = async (id, restores) => {
    const path = `${base}/api/blast/jobs/${id}`;
    const answer = restores ? await fetch(`${path}/restore`, { method: "POST" }) : await fetch(path, { method: "DELETE" });
    const text = await answer.text();
    if (!answer.ok) faults.push(`a write was answered with ${answer.status}: ${text}`);
  };
  while (performance.now() - began < SECONDS * 1_000) {
    if (away === undefined && performance.now() - began > SECONDS * 1_000 * RESTART) {
      // What was sent is answered first: a write that is refused because the server stops is no fault.
      await Promise.all(answers);
      await restart(base);
    }
    const id = ids[answers.length % ids.length];
    const restores = deleted.delete(id);
    if (!restores) deleted.add(id);
    answers.push(once(id, restores));
    await pause(Math.max(0, began + (answers.length * 1_000) / WRITES - performance.now()));
  }
  await Promise.all(answers);
  return { writes: answers.length, seconds: (performance.now() - began) / 1_000 };
}

function compare(readers, list) {
  const wanted = JSON.stringify(list.jobs.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
  for (const reader of readers) {
    const has = JSON.stringify([...reader.rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
    if (reader.revision !== list.revision || has !== wanted) faults.push(`reader ${reader.name} ends at ${reader.revision} with another list than that of ${list.revision}`);
  }
}

let end;
const ending = new Promise((done) => (end = done));
const data = mkdtempSync(join(tmpdir(), "elb-soak-"));
let child;
let ended;

/** Starts the server, and says where it listens. */
async function start(listen) {
  const env = { ...process.env, ELB_LISTEN: listen, ELB_DATA_DIR: data, ELB_LOG: "warn" };
  child = spawn(BINARY, [], { env, stdio: ["ignore", "pipe", "inherit"] });
  const own = child;
  ended = new Promise((done) => own.once("exit", done));
  return await new Promise((done, failed) => {
    let seen = "";
    own.once("exit", (code) => failed(new Error(`the server ended with ${code}`)));
    own.stdout.setEncoding("utf8").on("data", (text) => {
      seen += text;
      const found = LISTENING.exec(seen)?.[1];
      if (found !== undefined) done(found);
    });
  });
}

/** Ends the server and starts it again at the same address. */
async function restart(base) {
  away = true;
  const began = performance.now();
  child.kill("SIGTERM");
  await ended;
  await start(new URL(base).host);
  away = false;
  console.log(`the server was started again within ${((performance.now() - began) / 1_000).toFixed(1)} s`);
}

async function soak() {
  const base = await start("127.0.0.1:0");
  console.log(`${READERS} readers, ${WRITES} writes a second, ${SECONDS} s, seed ${SEED}`);
  const ids = await seeded(base);
  const readers = Array.from({ length: READERS }, (_, name) => new Reader(base, name));
  const running = Promise.all(readers.map((reader) => reader.run()));
  const samples = [];
  const sampling = setInterval(() => away || samples.push(holds(child.pid)), 1_000);
  const { writes, seconds } = await write(base, ids);
  clearInterval(sampling);
  last = (await (await fetch(`${base}/api/blast/jobs`)).json()).revision;
  over = true;
  end();
  // Those that have everything and wait at their streams are woken by the next sign of life.
  await Promise.race([running, pause(PATIENCE, undefined, { ref: false }).then(() => faults.push("not every reader came to the end"))]);
  compare(readers, await (await fetch(`${base}/api/blast/jobs?limit=200`)).json());
  report({ writes, seconds, readers, samples });
  await until("no reader is left at the server", async () => /^elb_event_readers 0(\.0)?$/m.test(await (await fetch(`${base}/metrics`)).text()));
}

function report({ writes, seconds, readers, samples }) {
  const sum = (name) => readers.reduce((all, reader) => all + reader[name], 0);
  console.log(`${writes} writes (${(writes / seconds).toFixed(1)} a second); readers: ${sum("connections")} connections, ${sum("changes")} changes, ${sum("snapshots")} snapshots`);
  herd();
  const settled = samples.slice(Math.floor(samples.length * SETTLED));
  const part = Math.max(1, Math.floor(settled.length / 4));
  const mean = (list, name) => list.reduce((all, sample) => all + sample[name], 0) / list.length;
  const [first, final] = [settled.slice(0, part), settled.slice(-part)];
  const [m1, m2] = [mean(first, "memory"), mean(final, "memory")];
  const [f1, f2] = [mean(first, "files"), mean(final, "files")];
  console.log(`memory ${(m1 / 1e6).toFixed(1)} MB, at the end ${(m2 / 1e6).toFixed(1)} MB; open files ${f1.toFixed(0)}, at the end ${f2.toFixed(0)}`);
  if (m2 > m1 * (1 + GROWTH)) faults.push("the server's memory grows");
  if (f2 > f1 + FILES) faults.push("the server's open files grow");
}

/** Whether those that the restart threw out came back one by one. */
function herd() {
  back.sort((one, other) => one - other);
  const [first, final] = [back.at(0) ?? 0, back.at(-1) ?? 0];
  const most = Math.max(0, ...back.map((from, place) => back.findLastIndex((at) => at < from + 100) - place + 1));
  console.log(`${back.length} readers were thrown out and back over ${((final - first) / 1_000).toFixed(1)} s, at most ${most} of them within 0.1 s`);
  if (back.length < READERS / 4) faults.push("the restart met too few readers to tell anything");
  if (most > back.length * HERD) faults.push("readers come back all at once");
}

try {
  await soak();
} finally {
  child.kill("SIGTERM");
  await ended;
  rmSync(data, { recursive: true, force: true });
}
for (const fault of faults.slice(0, 20)) console.error(`does not hold: ${fault}`);
console.log(faults.length === 0 ? "every reader has every change, and nothing grows" : `${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
