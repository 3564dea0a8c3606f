import { dataErrors } from "./errors/data.ts";
import { platformErrors } from "./errors/platform.ts";
import { requestErrors } from "./errors/requests.ts";
import { tenantErrors } from "./errors/tenants.ts";

/** Every stable code of Rowhouse. `docs/errors.md` is held equal to this table by a test. */
export const errorCatalog = { ...requestErrors, ...tenantErrors, ...dataErrors, ...platformErrors } as const;

export type ErrorCode = keyof typeof errorCatalog;
