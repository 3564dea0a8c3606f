import type { ApiClient } from "../../client.ts";
import type { Output } from "../../output.ts";

/** Shows what the work on a region does until its end. @throws the fault that it failed with */
export async function followRegion(client: ApiClient, name: string, output: Output): Promise<void> {
  const path = `/v1/regions/${encodeURIComponent(name)}/events`;
  for await (const { message } of client.events<{ message: string }>(path)) output.progress(message);
}
