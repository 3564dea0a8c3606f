import { writeFile } from "node:fs/promises";
import { errorCatalog } from "../src/core/error-catalog.ts";

/** The page of all codes, from the table that the code itself uses. */
export function renderErrors(): string {
  const exits = { user: "2 (the user's input)", system: "1 (a system fault)" } as const;
  const sections = Object.entries(errorCatalog)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([code, { kind, status, reason, remedy }]) => {
      return `## ${code}\n\n${reason}\n\n${remedy}\n\nHTTP status ${status}, exit code ${exits[kind]}.\n`;
    });
  return `# Errors

Every error has a stable code. The command line prints it in brackets and, with \`--json\`, as
\`{ "error": { "code", "message", "remedy" } }\`; the HTTP API answers with a problem document (RFC 9457) that carries
\`code\` and \`remedy\`.

<!-- Made by \`npm run docs:errors\` from src/core/errors. -->

${sections.join("\n")}`;
}

if (import.meta.main) await writeFile(new URL("./errors.md", import.meta.url), renderErrors());
