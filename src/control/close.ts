import type { WorkflowDefinition } from "../ports/workflows.ts";
import { copyEntries } from "./directory.ts";
import type { RegionContext } from "./region-context.ts";
import { unregisterAddress } from "./signup/address.ts";

export const closeWorkflowName = "close";

export interface CloseInput {
  readonly slug: string;
}

/**
 * A tenant's end. It has no undo: what was begun is finished, and every step works on a tenant whose database is
 * missing or broken too.
 */
export function closeWorkflow(context: RegionContext): WorkflowDefinition<CloseInput> {
  const { directory, pool, platform, locations, tenantData } = context;
  return {
    name: closeWorkflowName,
    steps: [
      {
        name: "begin-close",
        title: "Closing the doors",
        run: async ({ slug }) => copyEntries(pool, [await directory.apply(slug, "beginClose")]),
      },
      {
        name: "remove-address",
        title: "Removing the address",
        run: ({ slug }) => unregisterAddress(context, slug),
      },
      {
        name: "remove-database",
        title: "Removing the rows and roles",
        run: async ({ slug }) => {
          const location = await locations.find(slug);
          if (location) await tenantData.drop(location);
        },
      },
      {
        name: "remove-files",
        title: "Removing the files",
        run: ({ slug }) => platform.objects.purge(`tenants/${slug}/`),
      },
      { name: "clear-cache", title: "Clearing the cache", run: ({ slug }) => platform.cache.clear(slug) },
      { name: "remove-mail", title: "Removing the mail", run: ({ slug }) => platform.mail.forget(slug) },
      {
        name: "remove-profile",
        title: "Forgetting who the tenant was",
        run: async ({ slug }) => {
          await pool.query(
            "WITH profile AS (DELETE FROM profiles WHERE slug = $1) DELETE FROM administrators WHERE slug = $1",
            [slug],
          );
        },
      },
      {
        name: "end-close",
        title: "Writing it down",
        run: async ({ slug }) => copyEntries(pool, [await directory.apply(slug, "endClose")]),
      },
    ],
  };
}
