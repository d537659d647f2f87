// A proxy in front of a server, as there is one in many institutes: it counts what passes, and a test says
// when it breaks event streams off, after how many bytes, or lets none through. It never acts by itself.
import { createServer, request as ask, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const EVENTS = "/api/blast/events";

export class Proxy {
  /** Paths of all requests so far, in order. */
  readonly requests: string[] = [];
  /** Event streams that were opened so far. */
  opened = 0;
  /** The most event streams that were open at one time. */
  most = 0;
  /** Event streams that were broken off by `cutAfter`. */
  cuts = 0;
  /** Answers event streams with 503. */
  blocked = false;
  #silent = new Set<ServerResponse>();
  #open = new Set<ServerResponse>();
  #unanswered = 0;
  #cutAfter: number | undefined;
  #server: HttpServer;
  #target: string;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => this.#forward(request, response));
  }

  /** A proxy for the server at that address, on a free port of this machine. */
  static async start(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((done) => proxy.#server.listen(0, "127.0.0.1", done));
    return proxy;
  }

  /** Address without a slash at the end. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Event streams that are open now. */
  get open(): number {
    return this.#open.size;
  }

  /** Requests that are being answered, event streams left out. */
  get busy(): number {
    return this.#unanswered;
  }

  /** Breaks all event streams off, as a proxy does that gives up on a connection without traffic. */
  cutStreams(): void {
    for (const response of this.#open) response.destroy();
  }

  /** Keeps to itself what the event streams say that are open now, and leaves them open. */
  silence(): void {
    for (const response of this.#open) this.#silent.add(response);
  }

  /** Says on all event streams that nothing has changed since that revision, as the server does every 14 s. */
  beat(revision = 0): void {
    for (const response of this.#open) response.write(`event: beat\ndata: {"revision":${revision}}\n\n`);
  }

  /** Breaks the next event stream off after so many bytes of its body. */
  cutAfter(bytes: number): void {
    this.#cutAfter = bytes;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "/";
    this.requests.push(path);
    const isStream = path.startsWith(EVENTS);
    if (isStream && this.blocked) {
      response.writeHead(503).end();
      return;
    }
    if (!isStream) {
      this.#unanswered += 1;
      response.once("close", () => (this.#unanswered -= 1));
    }
    const { method = "GET", headers } = request;
    const onward = ask(this.#target + path, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (isStream) this.#stream(answer, response);
      else answer.pipe(response);
      // An answer that breaks off must not look like one that has ended.
      answer.once("error", () => response.destroy());
    });
    onward.once("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.once("close", () => onward.destroy());
    request.pipe(onward);
  }

  #stream(answer: IncomingMessage, response: ServerResponse): void {
    this.opened += 1;
    this.#open.add(response);
    this.most = Math.max(this.most, this.#open.size);
    response.once("close", () => {
      this.#open.delete(response);
      this.#silent.delete(response);
    });
    response.flushHeaders();
    let left = this.#cutAfter;
    this.#cutAfter = undefined;
    answer.on("data", (piece: Buffer) => {
      if (this.#silent.has(response)) return;
      if (left === undefined) {
        response.write(piece);
        return;
      }
      if (left < 0) return;
      const part = piece.subarray(0, left);
      left -= part.length;
      if (left > 0) {
        response.write(part);
        return;
      }
      left = -1;
      this.cuts += 1;
      // Destroyed once the part is on its way: what was written before must arrive.
      response.write(part, () => response.destroy());
    });
    answer.once("end", () => response.end());
  }
}
