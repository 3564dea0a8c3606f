import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

/** A webhook as it arrived; its signature was verified. */
export interface ArrivedWebhook {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

export interface WebhookReceiver {
  readonly url: string;
  readonly secret: string;
  readonly arrived: readonly ArrivedWebhook[];
  close(): Promise<void>;
}

/** A real receiver on loopback that verifies signatures; `answer` ends the response, or leaves it open. */
export async function startWebhookReceiver(
  answer: (response: ServerResponse, position: number) => void,
): Promise<WebhookReceiver> {
  const secret = `whsec_${Buffer.from("a secret of thirty-two bytes, ok").toString("base64")}`;
  const arrived: ArrivedWebhook[] = [];
  const server = createServer(async (request, response) => {
    const source = await text(request);
    try {
      const body = new Webhook(secret).verify(source, request.headers as Record<string, string>);
      answer(response, arrived.push({ path: request.url ?? "", headers: request.headers, body }) - 1);
    } catch {
      response.writeHead(401).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hooks?tenant=1`,
    secret,
    arrived,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
