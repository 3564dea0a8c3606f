import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import type { Context, Hono } from "hono";
import type { BackupStreams } from "../control/backup/control.ts";
import type { ImportCommand } from "../control/backup/import.ts";
import { fault } from "../core/error.ts";

/** What a tenant's archive is sent as. */
export const archiveContentType = "application/zip";

/** The controller's side of {@link BackupStreams}: archives as bodies, on their way out and in. */
export function addBackupStreams(app: Hono, control: BackupStreams): void {
  app.get("/archives/:slug", async (context) =>
    archiveResponse(await control.exportArchive({ slug: context.req.param("slug") })),
  );
  app.put("/archives/:slug", async (context) => {
    const { replace, ...profile } = context.req.query();
    const command = { ...profile, slug: context.req.param("slug"), replace: replace === "1" };
    return context.json({ result: await control.importArchive(command, bodyOf(context)) });
  });
}

/** The path and query that {@link addBackupStreams} reads a command from. */
export function importPath({ slug, replace, ...profile }: ImportCommand): string {
  const query = new URLSearchParams({ replace: replace ? "1" : "0", ...profile });
  return `/archives/${encodeURIComponent(slug)}?${query}`;
}

export function exportPath(slug: string): string {
  return `/archives/${encodeURIComponent(slug)}`;
}

/**
 * An archive as an answer, whose headers wait for its first bytes: what fails before is told as any fault is. Later the
 * connection breaks off, and no client takes it for whole.
 */
export async function archiveResponse(archive: Readable): Promise<Response> {
  const body = new PassThrough();
  const begun = new Promise<void>((resolve, reject) => {
    body.once("readable", resolve).once("error", reject);
  });
  pipeline(archive, body).catch(() => {});
  await begun;
  return new Response(Readable.toWeb(body) as ReadableStream, {
    headers: { "content-type": archiveContentType },
  });
}

/** The request's body as it comes in. @throws E_ARGUMENT without one */
export function bodyOf(context: Context): Readable {
  const { body } = context.req.raw;
  if (body) return Readable.fromWeb(body as NodeReadableStream);
  throw fault("E_ARGUMENT", "The request has no body; send the archive's bytes.");
}
