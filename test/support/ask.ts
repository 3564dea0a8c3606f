import { request as httpRequest, type IncomingMessage } from "node:http";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * One request on a connection of its own to `address` (`host:port`), with exactly this Host header or, for
 * `undefined`, with none. No resolver is asked: not every machine knows that `*.localhost` is itself.
 */
export function ask(
  address: string,
  host: string | undefined,
  path = "/",
  options: AskOptions = {},
): Promise<Answer> {
  const [hostname, port] = address.split(":");
  const headers = { ...(host === undefined ? {} : { host }), ...options.headers };
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: hostname,
      port,
      path,
      method: options.method ?? "GET",
      headers,
      setHost: false,
      agent: false,
    });
    request.once("error", reject);
    request.once("response", async (response) => {
      let body = "";
      response.setEncoding("utf8");
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    });
    request.end(options.body);
  });
}
