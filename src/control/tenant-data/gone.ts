/** SQLSTATE `invalid_catalog_name`. */
const noSuchDatabase = "3D000";

/** Whether an error says that there is no such database, or no such server, rather than that it is away. */
export function isGone(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === noSuchDatabase || code === "E_NOT_FOUND";
}
