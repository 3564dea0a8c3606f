import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** What is done with one call: `forward` asks the emulator and returns its XML. */
export type Alter = (call: {
  readonly action: string;
  forward(): Promise<string>;
}) => Promise<string | { readonly status: number; readonly body: string }>;

/**
 * Stands before the emulator and says of a query service (as RDS is) what the emulator never says: work that takes its
 * time, refusals, quotas.
 */
export async function startAlteredService(
  endpoint: string,
  alter: Alter,
): Promise<{ readonly endpoint: string; stop(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const action = new URLSearchParams(body.toString()).get("Action") ?? "";
    const answer = await alter({ action, forward: () => forward(endpoint, request, body) });
    const { status, body: text } = typeof answer === "string" ? { status: 200, body: answer } : answer;
    response.writeHead(status, { "content-type": "text/xml" }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The answer of a query service that refuses. */
export function refusal(code: string, message: string): { status: number; body: string } {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>`;
  const body = `<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/">${error}<RequestId>1</RequestId></ErrorResponse>`;
  return { status: 400, body };
}

async function forward(endpoint: string, request: IncomingMessage, body: Buffer): Promise<string> {
  const headers = {
    authorization: request.headers.authorization ?? "",
    "content-type": "application/x-www-form-urlencoded",
  };
  const response = await fetch(`${endpoint}${request.url}`, {
    method: "POST",
    headers,
    body: new Uint8Array(body),
  });
  return response.text();
}
