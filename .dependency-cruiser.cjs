/** The import rule of ARCHITECTURE.md: who may know whom. */
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: "error",
  from: { path: from, pathNot: "\\.(test|contract)\\.ts$" },
  to: { path: "^(src|console|examples|bench|test)/", pathNot: allowed },
});

module.exports = {
  forbidden: [
    {
      name: "no-circle",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    only("core-is-pure", "^src/core/", ["^src/core/"], "core imports only core"),
    {
      name: "core-has-no-io",
      severity: "error",
      from: { path: "^src/core/", pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: ["core", "npm"], pathNot: "node_modules/zod/" },
    },
    only("ports-know-only-core", "^src/ports/", ["^src/(ports|core)/"], "a port speaks in types of core"),
    only("postgres-knows-ports", "^src/postgres/", ["^src/(postgres|ports|core)/"]),
    only("node-stands-alone", "^src/node/", ["^src/(node|ports|core)/"], "the same in every family"),
    only("embedded-stands-alone", "^src/embedded/", ["^src/(embedded|node|postgres|ports|core)/"]),
    only("aws-stands-alone", "^src/aws/", ["^src/(aws|postgres|ports|core)/"]),
    only("control-is-above-ports", "^src/control/", ["^src/(control|postgres|ports|core)/"]),
    only("instance-is-above-ports", "^src/instance/", ["^src/(instance|postgres|ports|core)/"]),
    only("api-is-above-control", "^src/api/", ["^src/(api|control|ports|core)/"]),
    {
      name: "sources-do-not-know-tests",
      severity: "error",
      from: { path: "^src/", pathNot: "\\.(test|contract)\\.ts$" },
      to: { path: ["^test/", "\\.(test|contract)\\.ts$"] },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: "^rowhouse" } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".js", ".mjs", ".cjs"],
    },
  },
};
