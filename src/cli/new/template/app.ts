import { defineApp, type Tenant } from "rowhouse";

interface Entry {
  author: string;
  message: string;
  written_at: Date;
}

export default defineApp({
  name: "guestbook",
  migrations: "./migrations",
  fetch: async (request, tenant) => {
    const { pathname } = new URL(request.url);
    if (pathname !== "/") return new Response("Not found\n", { status: 404 });
    if (request.method === "POST") return write(request, tenant);
    return show(tenant);
  },
  seed: async (tenant) => {
    await tenant.db.query("INSERT INTO entries (author, message) VALUES ($1, $2)", ["Rowhouse", "Welcome!"]);
  },
});

async function write(request: Request, tenant: Tenant): Promise<Response> {
  const form = await request.formData();
  const author = String(form.get("author") ?? "").trim();
  const message = String(form.get("message") ?? "").trim();
  if (author === "" || author.length > 100 || message === "" || message.length > 1000) {
    return new Response("A name of up to 100 characters and a message of up to 1000, please.\n", {
      status: 400,
    });
  }
  await tenant.db.query("INSERT INTO entries (author, message) VALUES ($1, $2)", [author, message]);
  tenant.log.info("an entry was written");
  return new Response(null, { status: 303, headers: { location: "/" } });
}

async function show(tenant: Tenant): Promise<Response> {
  const { rows } = await tenant.db.query<Entry>(
    "SELECT author, message, written_at FROM entries ORDER BY id DESC LIMIT 100",
  );
  return new Response(page(tenant, rows), { headers: { "content-type": "text/html; charset=utf-8" } });
}

function page(tenant: Tenant, entries: readonly Entry[]): string {
  const items = entries.map(
    ({ author, message, written_at }) =>
      `<li><b>${escapeHtml(author)}</b> <time>${written_at.toISOString().slice(0, 10)}</time><p>${escapeHtml(message)}</p></li>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(tenant.name)}</title>
<style>
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem; }
  form { display: grid; gap: .5rem; } input, textarea, button { font: inherit; padding: .5rem; }
  ul { list-style: none; padding: 0; } time { color: #767676; }
</style>
<h1>${escapeHtml(tenant.name)}</h1>
<form method="post">
  <input name="author" placeholder="Your name" required maxlength="100">
  <textarea name="message" placeholder="Your message" required maxlength="1000"></textarea>
  <button>Write</button>
</form>
<ul>${items.join("\n")}</ul>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
