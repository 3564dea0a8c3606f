import { fault } from "../core/error.ts";
import type {
  DatabaseCredentials,
  DatabaseEndpoint,
  DatabaseServerStatus,
  Databases,
} from "../ports/databases.ts";

/** The process's one Postgres as the region's one database server; no other can be made. */
export function oneServer(
  name: string,
  server: { readonly endpoint: DatabaseEndpoint; readonly administrator: DatabaseCredentials },
): Databases {
  const check = (asked: string) => {
    if (asked !== name) throw fault("E_NOT_FOUND", `The tests have no database server "${asked}".`);
  };
  const [node] = server.endpoint.nodes;
  const status: DatabaseServerStatus = {
    name,
    status: "available",
    primary: node ? { ...node, zone: "a", status: "running" } : null,
    standby: null,
  };
  return {
    create: async ({ name: asked }) => check(asked),
    endpoint: async (asked) => {
      check(asked);
      return server.endpoint;
    },
    administrator: async (asked) => {
      check(asked);
      return server.administrator;
    },
    describe: async (asked) => (asked === name ? status : undefined),
    list: async () => [status],
    failOver: async (asked) => {
      check(asked);
      throw fault("E_STANDBY_BEHIND", "The tests' database server has no standby.");
    },
    /** Its end is the process's. */
    delete: async () => {},
  };
}
