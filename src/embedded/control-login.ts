import { join } from "node:path";
import type { DatabaseCredentials } from "../ports/databases.ts";
import type { Keys } from "../ports/keys.ts";
import type { LoginStore } from "../postgres/control-database.ts";
import { readJson, writeFileAtomically } from "./state-folder.ts";

/** The login of a control database in a file of its part's folder, the password sealed with that part's key. */
export function fileLogin(parts: {
  readonly folder: string;
  readonly database: string;
  readonly keys: Keys;
}): LoginStore {
  const { keys, database } = parts;
  const file = join(parts.folder, `${database}-login.json`);
  const context = { purpose: "control-database", database };
  return {
    async read() {
      const sealed = await readJson<DatabaseCredentials>(file);
      return sealed && { user: sealed.user, password: await keys.decrypt(sealed.password, context) };
    },
    async write({ user, password }) {
      const sealed = { user, password: await keys.encrypt(password, context) };
      await writeFileAtomically(file, JSON.stringify(sealed));
    },
  };
}
