import { currentTenant, defineApp, type Tenant } from "../../../src/index.ts";

/** A small application, outside of the sources as one of a user's is. */
export default defineApp({
  name: "notes",
  migrations: "./migrations",
  assets: "./public",
  seed: (tenant) => tenant.db.query("INSERT INTO notes (text) VALUES ($1)", [`seed of ${tenant.slug}`]),
  fetch: async (request, tenant) => {
    const { pathname } = new URL(request.url);
    const answer = answers[`${request.method} ${pathname}`];
    return answer ? answer(request, tenant) : new Response("Nothing here", { status: 404 });
  },
});

const answers: Readonly<Record<string, (request: Request, tenant: Tenant) => Response | Promise<Response>>> =
  {
    "GET /notes": async (_request, tenant) => {
      const { rows } = await tenant.db.query<{ text: string }>("SELECT text FROM notes ORDER BY id");
      return Response.json(rows.map(({ text }) => text));
    },
    "POST /notes": async (request) => {
      const text = await request.text();
      await currentTenant().db.query("INSERT INTO notes (text) VALUES ($1)", [text]);
      const headers = new Headers({ location: "/notes" });
      headers.append("set-cookie", "a=1");
      headers.append("set-cookie", "b=2");
      return new Response(null, { status: 303, headers });
    },
    "DELETE /notes": async (_request, tenant) => {
      await tenant.db.query("DELETE FROM notes");
      return new Response(null, { status: 204 });
    },
    "POST /echo": async (request) =>
      Response.json({
        url: request.url,
        type: request.headers.get("content-type"),
        length: request.headers.get("content-length"),
        body: await request.text(),
      }),
    "GET /who": (_request, tenant) => {
      const { slug, name, region, plan, settings } = tenant;
      return Response.json({ slug, name, region, plan, settings, same: currentTenant() === tenant });
    },
  };
