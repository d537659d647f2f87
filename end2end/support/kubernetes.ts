// A stand-in for the API server of a Kubernetes cluster: Jobs and pods that a test puts there, listed and watched, and
// what their containers print.
// Owns: the few answers that the program asks for. Knows no rules: what becomes of a Job, the test says.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

type Kind = "jobs" | "pods";
/** An object as Kubernetes writes it. */
export interface Thing {
  metadata: { name: string; [field: string]: unknown };
  [field: string]: unknown;
}

const PATHS: Record<string, Kind> = {
  "/apis/batch/v1/namespaces/default/jobs": "jobs",
  "/api/v1/namespaces/default/pods": "pods",
};
const VERSION = {
  major: "1", minor: "34", gitVersion: "v1.34.4", gitCommit: "", gitTreeState: "clean",
  buildDate: "2026-01-01T00:00:00Z", goVersion: "go1", compiler: "gc", platform: "linux/amd64",
};
const LOG = /^\/api\/v1\/namespaces\/default\/pods\/([^/]+)\/log$/;
const TYPES = {
  jobs: { apiVersion: "batch/v1", kind: "Job" },
  pods: { apiVersion: "v1", kind: "Pod" },
};

export class Kubernetes {
  readonly #things: Record<Kind, Map<string, Thing>> = { jobs: new Map(), pods: new Map() };
  readonly #watchers: Record<Kind, Set<ServerResponse>> = { jobs: new Set(), pods: new Set() };
  /** Everything that has happened: whoever watches from a version on is told what came between. */
  readonly #events: { kind: Kind; version: number; line: string }[] = [];
  /** What the container `blast` of each pod has printed, with the time of each line. */
  readonly #printed = new Map<string, string[]>();
  readonly #followers = new Map<string, Set<ServerResponse>>();
  #version = 1;
  #server: HttpServer | undefined;
  #folder = "";

  static async start(): Promise<Kubernetes> {
    const kubernetes = new Kubernetes();
    const server = createServer((request, response) => kubernetes.#answer(request, response));
    kubernetes.#server = server;
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    kubernetes.#folder = await mkdtemp(join(tmpdir(), "elb-kubernetes-"));
    const { port } = server.address() as AddressInfo;
    // JSON is YAML too.
    const config = {
      apiVersion: "v1", kind: "Config", "current-context": "lab",
      clusters: [{ name: "lab", cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: "lab", user: { token: "secret" } }],
      contexts: [{ name: "lab", context: { cluster: "lab", user: "lab", namespace: "default" } }],
    };
    await writeFile(kubernetes.kubeconfig, JSON.stringify(config));
    return kubernetes;
  }

  /** A kubeconfig with the one context `lab`. */
  get kubeconfig(): string {
    return join(this.#folder, "kubeconfig");
  }

  /** Makes an object, or puts another one in its place. */
  put(kind: Kind, thing: Thing): void {
    const known = this.#things[kind].has(thing.metadata.name);
    this.#version += 1;
    const metadata = { namespace: "default", creationTimestamp: "2026-11-26T08:00:00Z", ...thing.metadata, resourceVersion: `${this.#version}` };
    const object = { ...TYPES[kind], ...thing, metadata };
    this.#things[kind].set(thing.metadata.name, object);
    this.#tell(kind, { type: known ? "MODIFIED" : "ADDED", object });
  }

  /** Takes an object away; who follows the log of a pod comes to its end. */
  remove(kind: Kind, name: string): void {
    const thing = this.#things[kind].get(name);
    if (thing === undefined) return;
    this.#things[kind].delete(name);
    this.#version += 1;
    const object = { ...thing, metadata: { ...thing.metadata, resourceVersion: `${this.#version}` } };
    this.#tell(kind, { type: "DELETED", object });
    for (const follower of this.#followers.get(name) ?? []) follower.end();
  }

  #tell(kind: Kind, event: { type: string; object: Thing }): void {
    const line = `${JSON.stringify(event)}\n`;
    this.#events.push({ kind, version: this.#version, line });
    for (const watcher of this.#watchers[kind]) watcher.write(line);
  }

  /** Has the container `blast` of a pod print a line. */
  print(pod: string, text: string): void {
    const lines = this.#printed.get(pod) ?? [];
    const line = `${new Date().toISOString()} ${text}\n`;
    this.#printed.set(pod, [...lines, line]);
    for (const follower of this.#followers.get(pod) ?? []) follower.write(line);
  }

  /** Goes away, with all connections. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise<void>((closed) => server.close(() => closed()));
  }

  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://stand-in");
    const say = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const kind = PATHS[url.pathname];
    if (kind !== undefined && url.searchParams.get("watch") === "true") {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      const from = Number(url.searchParams.get("resourceVersion") ?? 0);
      for (const { kind: of, version, line } of this.#events) if (of === kind && version > from) response.write(line);
      this.#watchers[kind].add(response);
      response.on("close", () => this.#watchers[kind].delete(response));
      return;
    }
    if (kind !== undefined) {
      const items = [...this.#things[kind].values()];
      const { apiVersion, kind: word } = TYPES[kind];
      return say(200, { apiVersion, kind: `${word}List`, metadata: { resourceVersion: `${this.#version}` }, items });
    }
    const pod = LOG.exec(url.pathname)?.[1];
    if (pod !== undefined && this.#things.pods.has(pod)) return this.#log(pod, url.searchParams, response);
    if (url.pathname === "/version") return say(200, VERSION);
    if (url.pathname === "/api/v1/namespaces/default") {
      return say(200, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
    }
    if (url.pathname === "/api/v1/namespaces/default/events") {
      return say(200, { apiVersion: "v1", kind: "EventList", metadata: {}, items: [] });
    }
    return say(404, { kind: "Status", apiVersion: "v1", status: "Failure", code: 404, reason: "NotFound", message: "not found" });
  }

  #log(pod: string, asked: URLSearchParams, response: ServerResponse): void {
    const since = asked.get("sinceTime")?.slice(0, 19) ?? "";
    const last = Number(asked.get("tailLines") ?? Infinity);
    const lines = (this.#printed.get(pod) ?? []).filter((line) => line.slice(0, 19) >= since);
    response.writeHead(200, { "content-type": "text/plain" });
    response.write(lines.slice(Math.max(0, lines.length - last)).join(""));
    if (asked.get("follow") !== "true") return void response.end();
    const followers = this.#followers.get(pod) ?? new Set();
    this.#followers.set(pod, followers.add(response));
    response.on("close", () => followers.delete(response));
  }
}

/** A Job that searches one batch, in the shape of the ElasticBLAST command line, and its pod. */
export function search(run: string, state: "waiting" | "searching" | "failed"): { jobs: Thing; pods: Thing } {
  const labels = { app: "blast", db: "nt", "elb-job-id": run };
  const env = [
    { name: "BLAST_ELB_JOB_ID", value: run },
    { name: "ELB_BLAST_PROGRAM", value: "blastn" },
    { name: "ELB_DB", value: "nt" },
  ];
  const template = { metadata: { labels }, spec: { restartPolicy: "Never", containers: [{ name: "blast", image: "elb", env }] } };
  const ended = { exitCode: 4, reason: "Error", startedAt: "2026-11-26T08:00:10Z", finishedAt: "2026-11-26T08:00:20Z" };
  const blast = { name: "blast", image: "elb", imageID: "", ready: false, restartCount: 0 };
  const status = {
    waiting: {
      phase: "Pending",
      conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes are available: 3 Insufficient memory." }],
    },
    searching: { phase: "Running", containerStatuses: [{ ...blast, ready: true, state: { running: { startedAt: ended.startedAt } } }] },
    failed: { phase: "Failed", containerStatuses: [{ ...blast, state: { terminated: ended } }] },
  }[state];
  const gone = { type: "Failed", status: "True", reason: "BackoffLimitExceeded", message: "too many failures", lastTransitionTime: ended.finishedAt };
  return {
    jobs: {
      metadata: { name: `blastn-batch-nt-job-000-${run}`, labels },
      spec: { template },
      status: state === "failed" ? { failed: 1, conditions: [gone] } : { active: 1 },
    },
    pods: {
      metadata: { name: `blastn-batch-nt-job-000-${run}-x`, labels: { ...labels, "job-name": `blastn-batch-nt-job-000-${run}` } },
      spec: { containers: template.spec.containers, nodeName: state === "waiting" ? undefined : "node-1" },
      status,
    },
  };
}
