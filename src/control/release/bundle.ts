import { basename, dirname, join } from "node:path";
import { type BuildFailure, build, type Message } from "esbuild";
import { fault } from "../../core/error.ts";

/** The application's one module and its source map, ready to be written. */
export interface Bundle {
  readonly "app.js": Uint8Array;
  readonly "app.js.map": Uint8Array;
}

/** CommonJS packages inside an ES module still need what Node would give them. */
const commonJsGlobals = `import { createRequire as __rowhouseCreateRequire } from "node:module";
import { fileURLToPath as __rowhouseFileURLToPath } from "node:url";
const require = __rowhouseCreateRequire(import.meta.url);
const __rowhouseFilename = __rowhouseFileURLToPath(import.meta.url);
const __rowhouseDirname = __rowhouseFileURLToPath(new URL(".", import.meta.url));`;

/**
 * Puts an application and all that it imports into one ES module. `rowhouse` itself stays an import, so that the
 * application and the instance that runs it share one copy.
 * @throws E_RELEASE_BUILD with file, line and what is wrong
 */
export async function bundleApplication(appFile: string): Promise<Bundle> {
  const folder = dirname(appFile);
  try {
    const { outputFiles } = await build({
      entryPoints: [appFile],
      // Nothing is written here: the names only decide the relative paths inside the map, which must not hold
      // anything of this machine.
      absWorkingDir: folder,
      outfile: join(folder, "app.js"),
      write: false,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node24",
      external: ["rowhouse", "rowhouse/*"],
      banner: { js: commonJsGlobals },
      define: { __dirname: "__rowhouseDirname", __filename: "__rowhouseFilename" },
      sourcemap: "linked",
      sourcesContent: false,
      keepNames: true,
      logLevel: "silent",
    });
    const contents = (name: string) =>
      outputFiles.find((file) => basename(file.path) === name)?.contents ?? new Uint8Array();
    return { "app.js": contents("app.js"), "app.js.map": contents("app.js.map") };
  } catch (cause) {
    throw buildFault(appFile, cause);
  }
}

function buildFault(appFile: string, cause: unknown): unknown {
  const errors = (cause as Partial<BuildFailure>).errors;
  if (!Array.isArray(errors)) return cause;
  const shown = errors.slice(0, 5).map((message) => describe(message, appFile));
  if (errors.length > shown.length) shown.push(`and ${errors.length - shown.length} more`);
  return fault("E_RELEASE_BUILD", `The application could not be built: ${shown.join("; ")}.`, { cause });
}

function describe({ location, text, notes }: Message, appFile: string): string {
  const place = location
    ? `${join(dirname(appFile), location.file)}:${location.line}:${location.column + 1}`
    : appFile;
  const hint = notes.at(0)?.text;
  return `${place}: ${[text, hint].filter(Boolean).join(" (")}${hint ? ")" : ""}`.replace(/\.$/, "");
}
