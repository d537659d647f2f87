// One elb-dashboard process, the real program, on a data folder of its own.
// Owns: starting it, waiting until it is healthy, ending it by process id, keeping its log.
// Never waits for a fixed time, and never ends a process that it did not start.
// A restart keeps port and data folder, so that an open page can find the server again.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { until } from "./until.ts";

const START_TIMEOUT_MS = 120_000;
/** A clean stop lets running requests end; after this long it is killed. */
const STOP_TIMEOUT_MS = 30_000;
const HEALTH_REQUEST_TIMEOUT_MS = 2_000;
/** The newest part of the log that is kept, in characters. */
const LOG_LIMIT = 1_000_000;

/** The white space after the port matters: a line may arrive in two pieces. */
const LISTENING = /listening on (http:\/\/127\.0\.0\.1:(\d+))\s/;
/** Colour codes of the log, which may stand inside the line that is looked for. */
const COLOUR = /\u001b\[[0-9;]*m/g;

type Process = ChildProcessByStdio<null, Readable, Readable>;

interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

function binary(): string {
  const path = process.env["E2E_BINARY"] ?? resolve(import.meta.dirname, "../../target/debug/elb-dashboard");
  if (!existsSync(path)) throw new Error(`${path} is missing: run \`make build\` first`);
  return path;
}

export class Server {
  /** The data folder; it outlives a restart and is removed by `dispose`. */
  readonly dataDir: string;
  #settings: Record<string, string>;
  #process: Process | undefined;
  #exit: Exit | undefined;
  #url: string | undefined;
  #port = 0;
  #log = "";

  private constructor(dataDir: string, settings: Record<string, string>) {
    this.dataDir = dataDir;
    this.#settings = settings;
  }

  /** Starts a server on a fresh data folder; `settings` are further `ELB_…` variables. */
  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const server = new Server(await mkdtemp(join(tmpdir(), "elb-end2end-")), settings);
    try {
      await server.resume();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  /** Address without a slash at the end. */
  get url(): string {
    if (this.#url === undefined) throw new Error("the server has not been started");
    return this.#url;
  }

  /** Everything the process wrote, of all its starts; at most the newest part. */
  get log(): string {
    return this.#log;
  }

  get running(): boolean {
    return this.#process !== undefined && this.#exit === undefined;
  }

  /** Starts the process on the same data folder (and, after the first time, the same port). */
  async resume(): Promise<void> {
    if (this.running) throw new Error("the server is running already");
    this.#note(`--- start on port ${this.#port === 0 ? "(any free)" : this.#port}`);
    const child = spawn(binary(), [], {
      cwd: this.dataDir,
      env: this.#environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    this.#exit = undefined;
    let started = "";
    const listen = (text: string): void => {
      this.#append(text);
      if (started.length < LOG_LIMIT) started += text.replace(COLOUR, "");
    };
    child.stdout.setEncoding("utf8").on("data", listen);
    child.stderr.setEncoding("utf8").on("data", (text: string) => this.#append(text));
    child.once("error", (error) => {
      this.#note(`--- could not be run: ${error.message}`);
      this.#exit ??= { code: null, signal: null };
    });
    child.once("exit", (code, signal) => {
      this.#note(`--- ended (${signal ?? `exit code ${code}`})`);
      this.#exit = { code, signal };
    });
    // Should the test worker end without its teardown, the server must not stay behind.
    const orphaned = (): void => void child.kill("SIGKILL");
    process.once("exit", orphaned);
    child.once("exit", () => process.off("exit", orphaned));

    try {
      const [, url, port] = await until(() => this.#alive() && (LISTENING.exec(started) ?? undefined), {
        what: "the line `listening on http://127.0.0.1:PORT`",
        timeoutMs: START_TIMEOUT_MS,
      });
      this.#url = url;
      this.#port = Number(port);
      await until(() => this.#alive() && this.#healthy(), {
        what: `${url}/api/health`,
        timeoutMs: START_TIMEOUT_MS,
      });
    } catch (error) {
      await this.kill();
      throw new Error(`the server did not start: ${String(error)}\n${this.#log}`, { cause: error });
    }
  }

  /** A clean end: SIGTERM, and SIGKILL if it does not obey. Returns the exit code, if it had one. */
  async stop(): Promise<number | null> {
    await this.#end("SIGTERM").catch(async () => {
      this.#note(`--- did not end within ${STOP_TIMEOUT_MS} ms of SIGTERM`);
      await this.#end("SIGKILL");
    });
    return this.#exit?.code ?? null;
  }

  /** The end of a crash or a power cut (`kill -9`): nothing of the process runs any more. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends it as `how` says and starts it again on the same data and port. */
  async restart(how: "stop" | "kill" = "stop"): Promise<void> {
    await this[how]();
    await this.resume();
  }

  /** Ends it and removes its data folder. */
  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  #environment(): NodeJS.ProcessEnv {
    // A developer's own ELB_ settings must not change what is tested.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("ELB_"));
    return {
      ...Object.fromEntries(inherited),
      ELB_LISTEN: `127.0.0.1:${this.#port}`,
      ELB_DATA_DIR: this.dataDir,
      // As many batches, and as long a search, on a machine with many processors.
      ELB_JOBS: "2",
      ...this.#settings,
    };
  }

  #alive(): true {
    if (!this.running) throw new Error("the process ended");
    return true;
  }

  async #healthy(): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(HEALTH_REQUEST_TIMEOUT_MS);
      const answer = await fetch(`${this.url}/api/health`, { signal });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      // Refused or timed out: not healthy yet, looked at again until the bound.
      return false;
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.running) return;
    this.#process?.kill(signal);
    await until(() => !this.running, { what: `the process to end on ${signal}`, timeoutMs: STOP_TIMEOUT_MS });
  }

  #note(line: string): void {
    this.#append(`${line}\n`);
  }

  #append(text: string): void {
    this.#log = (this.#log + text).slice(-LOG_LIMIT);
  }
}
