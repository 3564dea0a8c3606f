import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { Agent, type Dispatcher } from "undici";
import { fault, fromErrorJson, RowhouseError } from "../core/error.ts";
import { ProcessTable } from "../embedded/processes.ts";
import { StateFolder } from "../embedded/state-folder.ts";
import { findSupervisor } from "../embedded/supervisor-lock.ts";

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The HTTP API of the Rowhouse that runs on a state folder. */
export class ApiClient implements AsyncDisposable {
  readonly #origin: string;
  readonly #token: string;
  // Closing a tenant may take minutes before the first header comes.
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 5000 } });

  constructor(options: { readonly origin: string; readonly token: string }) {
    this.#origin = options.origin;
    this.#token = options.token;
  }

  /** Finds address and token in the state folder. @throws E_NOT_RUNNING, E_STATE_CORRUPT */
  static async open(stateDirectory: string): Promise<ApiClient> {
    const folder = new StateFolder(stateDirectory);
    const supervisor = await findSupervisor(folder);
    if (!supervisor) throw await notRunning(folder);
    const token = await readFile(folder.operatorToken, "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT")
        throw fault("E_NOT_RUNNING", "Rowhouse is still starting.", { cause, remedy: waitRemedy });
      throw fault("E_STATE_CORRUPT", `The file ${folder.operatorToken} can't be read: ${cause.message}.`, {
        cause,
      });
    });
    return new ApiClient({ origin: supervisor.apiUrl, token: token.trim() });
  }

  /** The JSON of a successful answer. @throws the fault of the problem document, E_NOT_RUNNING */
  async request<Body>(path: string, request: ApiRequest = {}): Promise<Body> {
    const response = await this.#send(path, request);
    const text = await response.body.text().catch((cause) => {
      throw this.#lost(cause);
    });
    if (response.statusCode >= 400) throw problemFault(response.statusCode, text);
    return JSON.parse(text) as Body;
  }

  /** The data of each server-sent event until the stream ends. @throws what an event named `problem` says */
  async *events<Data>(path: string, request: ApiRequest = {}): AsyncGenerator<Data, void, void> {
    const response = await this.#send(path, {
      ...request,
      headers: { ...request.headers, accept: "text/event-stream" },
    });
    if (response.statusCode >= 400) throw problemFault(response.statusCode, await response.body.text());
    response.body.setEncoding("utf8");
    let buffered = "";
    try {
      for await (const chunk of response.body as AsyncIterable<string>) {
        buffered += chunk;
        const events = buffered.split("\n\n");
        buffered = events.pop() ?? "";
        for (const event of events) {
          const { name, data } = parseEvent(event);
          if (data === "") continue;
          if (name === "problem") throw problemFault(500, data);
          yield JSON.parse(data) as Data;
        }
      }
    } catch (error) {
      throw error instanceof RowhouseError ? error : this.#lost(error);
    }
  }

  /** The bytes of a successful answer; the stream fails when the connection breaks off. @throws as {@link request} */
  async download(path: string): Promise<Readable> {
    const response = await this.#send(path, {});
    if (response.statusCode >= 400) throw problemFault(response.statusCode, await response.body.text());
    return response.body;
  }

  /** Sends bytes of whatever length; the JSON of a successful answer. @throws as {@link request} */
  async upload<Body>(path: string, bytes: Readable, contentType: string): Promise<Body> {
    const response = await this.#send(path, {
      method: "PUT",
      bytes,
      headers: { "content-type": contentType },
    });
    const text = await response.body.text();
    if (response.statusCode >= 400) throw problemFault(response.statusCode, text);
    return JSON.parse(text) as Body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  async #send(
    path: string,
    request: Omit<ApiRequest, "method"> & {
      readonly method?: ApiRequest["method"] | "PUT";
      readonly bytes?: Readable;
    },
  ): Promise<Dispatcher.ResponseData> {
    const { method = "GET", body, bytes, headers } = request;
    try {
      return await this.#agent.request({
        origin: this.#origin,
        path,
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(bytes === undefined ? {} : { body: bytes }),
      });
    } catch (cause) {
      throw this.#lost(cause);
    }
  }

  #lost(cause: unknown): RowhouseError {
    const refused = (cause as NodeJS.ErrnoException).code === "ECONNREFUSED";
    return refused
      ? fault("E_NOT_RUNNING", `Nothing listens at ${this.#origin} yet.`, { cause, remedy: waitRemedy })
      : fault("E_NOT_RUNNING", `The connection to ${this.#origin} was lost: ${(cause as Error).message}.`, {
          cause,
        });
  }
}

const waitRemedy = "Wait until `rowhouse up` says that it is ready.";

async function notRunning(folder: StateFolder): Promise<RowhouseError> {
  const reason = `No Rowhouse runs on ${folder.path}`;
  const left = existsSync(folder.processes) ? await new ProcessTable(folder).list() : [];
  if (left.length === 0) return fault("E_NOT_RUNNING", `${reason}.`);
  return fault("E_NOT_RUNNING", `${reason}, but ${left.length} of its processes do, and serve the tenants.`, {
    remedy: "Take them over with `rowhouse up`, or stop them with `rowhouse down`.",
  });
}

function problemFault(status: number, text: string): RowhouseError {
  try {
    const { code, detail, remedy } = JSON.parse(text) as Record<string, unknown>;
    if (typeof code === "string") return fromErrorJson({ code, message: detail, remedy });
  } catch {
    // Not from Rowhouse; told below.
  }
  return fault("E_INTERNAL", `The control plane answered ${status}: ${text.slice(0, 200)}.`);
}

function parseEvent(event: string): { readonly name: string; readonly data: string } {
  let name = "message";
  const data: string[] = [];
  for (const line of event.split("\n")) {
    if (line.startsWith("event:")) name = line.slice("event:".length).trim();
    else if (line.startsWith("data:")) data.push(line.slice("data:".length).trim());
  }
  return { name, data: data.join("\n") };
}
