/**
 * A tenant's data as one open file: docs/archive-format.md. Backup, restore, export, import and the close build on what
 * is exported here.
 *
 *     const { stream, manifest } = writeArchive({ source, tenant, objects })
 *     await objects.put({ key, body: await encryptArchive(stream, { keys, slug }) })
 *     const { tables, snapshot } = await manifest
 *
 *     const sealed = await archiveInObject(objects, key)
 *     const archive = await openArchive(await decryptArchive(sealed, { keys, slug }))
 *     const migrations = archivedMigrations(archive.manifest, release.migrations)
 *     // the caller makes the arriving location and applies `migrations`
 *     await loadArchive(archive, target)
 *     await restoreFiles(archive, { objects, slug })
 *     await archive.close()
 */
export { archivedMigrations } from "../../core/archive/migrations.ts";
export { decryptArchive, encryptArchive } from "./encryption.ts";
export { restoreFiles } from "./files.ts";
export { type LoadedArchive, loadArchive } from "./load.ts";
export { type Archive, openArchive } from "./open.ts";
export type { DataAddress } from "./snapshot.ts";
export { type ArchiveBytes, archiveInFile, archiveInObject } from "./source.ts";
export { type WriteArchiveOptions, writeArchive } from "./write.ts";
