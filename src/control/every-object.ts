import type { ListedObject, Objects } from "../ports/objects.ts";

/** All objects under a prefix, page by page. */
export async function* everyObject(
  objects: Pick<Objects, "list">,
  prefix: string,
): AsyncGenerator<ListedObject, void, void> {
  for (let after: string | undefined = ""; after !== undefined; ) {
    const page: Awaited<ReturnType<Objects["list"]>> = await objects.list({ prefix, after });
    yield* page.objects;
    after = page.next;
  }
}
