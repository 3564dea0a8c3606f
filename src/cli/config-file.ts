import { randomUUID } from "node:crypto";
import { registerHooks } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseConfig } from "../core/config/parse.ts";
import type { Config } from "../core/config/schema.ts";
import { fault, RowhouseError } from "../core/error.ts";

/** Files that this process has read before. */
const readBefore = new Set<string>();

/**
 * Runs the config file, as it is now, and checks what it exports.
 * @throws E_CONFIG with the file and line, or with the keys that are wrong
 */
export async function loadConfig(file: string): Promise<Config> {
  const url = freshUrl(pathToFileURL(file).href);
  const hooks = hookInto(url);
  let module: { default?: unknown };
  try {
    module = (await import(url)) as { default?: unknown };
  } catch (error) {
    throw loadFault(file, url, error);
  } finally {
    hooks.deregister();
  }
  if (module.default === undefined) {
    throw fault("E_CONFIG", `The file ${file} exports no config.`, {
      remedy: "Write `export default defineConfig({ … })` in it.",
    });
  }
  try {
    return parseConfig(module.default);
  } catch (error) {
    if (!(error instanceof RowhouseError)) throw error;
    throw fault(error.code as "E_CONFIG", `${file}: ${error.reason}`, { cause: error });
  }
}

/** Node runs a module once for each URL; a query makes another one of it. */
function freshUrl(url: string): string {
  if (readBefore.has(url)) return `${url}?read=${randomUUID()}`;
  readBefore.add(url);
  return url;
}

/**
 * What Node is told while a config loads. An application that has not installed `rowhouse` yet gets the copy that
 * runs, so that a new folder works at once. And the file is an ES module whatever its package.json says, or if
 * there is none: Node would guess, and loses the line of a syntax error over it.
 */
function hookInto(url: string) {
  return registerHooks({
    resolve: (specifier, context, nextResolve) => {
      try {
        return nextResolve(specifier, context);
      } catch (error) {
        if (specifier !== "rowhouse") throw error;
        // From here the package finds itself by its own name.
        return nextResolve(specifier, { ...context, parentURL: import.meta.url });
      }
    },
    load: (loaded, context, nextLoad) =>
      nextLoad(loaded, loaded === url ? { ...context, format: "module-typescript" } : context),
  });
}

function loadFault(file: string, url: string, error: unknown): RowhouseError {
  const { code, message, stack } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (code === "ERR_MODULE_NOT_FOUND" || code === "ERR_PACKAGE_PATH_NOT_EXPORTED") {
    const what = message?.split(" imported from ")[0] ?? String(error);
    return fault("E_CONFIG", `${what}, which ${placeOf(file, url, stack)} imports.`, {
      cause: error,
      remedy: `Correct the import, or run \`npm install\` in ${dirname(file)}.`,
    });
  }
  const text = (message ?? String(error)).replace(/[.\s]*$/, "");
  return fault("E_CONFIG", `${placeOf(file, url, stack)}: ${text}.`, {
    cause: error,
    remedy: "Correct the named line of the file.",
  });
}

/** The first `file:line` of the stack that lies in a file of the user's; V8 heads a syntax error's stack with it. */
function placeOf(file: string, url: string, stack = ""): string {
  const own = new URL("../", import.meta.url).href;
  for (const [, place = "", line] of stack.matchAll(/(file:\/\/[^\s):]+):(\d+)/g)) {
    if (place === url || !place.startsWith(own)) return `${fileURLToPath(place)}:${line}`;
  }
  return file;
}
