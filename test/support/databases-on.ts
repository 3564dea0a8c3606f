import { fault } from "../../src/core/error.ts";
import type { DatabaseEndpoint, DatabaseNode, Databases } from "../../src/ports/databases.ts";

/** One Postgres without passwords under every server name: real SQL, without the engine that starts servers. */
export function databasesOn({ host, port }: DatabaseNode): Databases {
  const endpoint: DatabaseEndpoint = { nodes: [{ host, port }] };
  const node = { host, port, zone: "a", status: "running" } as const;
  const describe = async (name: string) => ({
    name,
    status: "available" as const,
    primary: node,
    standby: null,
  });
  return {
    create: async () => {},
    endpoint: async () => endpoint,
    administrator: async () => ({ user: "postgres", password: "" }),
    describe,
    list: async () => [await describe("shared-1")],
    failOver: async () => {
      throw fault("E_STANDBY_BEHIND");
    },
    delete: async () => {},
  };
}
