import type { Tenant } from "rowhouse";
import { type Book, listBooks } from "./queries.ts";

/** Books per query: enough that the way to the database is small beside the work, and little to hold in memory. */
const batchSize = 2000;

/**
 * The JSON text of `{ books, next }`: whole if it is short, else a stream that asks for the next books when the
 * client has taken the ones before. So a million of them need no more memory than a batch, and no connection is
 * held while the client reads.
 */
export async function writeBooks(
  tenant: Tenant,
  after: number,
  limit: number,
): Promise<string | ReadableStream<Uint8Array>> {
  const batches = readBatches(tenant, after, limit);
  // Read before the answer begins: a database that is away becomes an error status and not a torn body.
  let first: IteratorResult<string, undefined> | undefined = await batches.next();
  if (limit <= batchSize) return first.value ?? "";
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { value } = first ?? (await batches.next());
      first = undefined;
      if (value === undefined) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: async () => {
      await batches.return(undefined);
    },
  });
}

async function* readBatches(tenant: Tenant, after: number, limit: number): AsyncGenerator<string, undefined> {
  let last = after;
  let remaining = limit;
  let text = `{"books":[`;
  let separator = "";
  let hasMore = true;
  while (hasMore && remaining > 0) {
    const size = Math.min(batchSize, remaining);
    // One more than is sent tells whether there is a next page.
    const found: Book[] = await listBooks(tenant, last, size + 1);
    const sent = found.slice(0, size);
    hasMore = found.length > size;
    last = sent.at(-1)?.id ?? last;
    remaining -= sent.length;
    if (sent.length > 0) {
      text += separator + sent.map((book) => JSON.stringify(book)).join(",");
      separator = ",";
    }
    if (!hasMore || remaining === 0) text += `],"next":${hasMore ? last : null}}`;
    yield text;
    text = "";
  }
}
