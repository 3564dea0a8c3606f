/** What an application imports. */
export { defineConfig } from "./core/config/parse.ts";
export { RowhouseError } from "./core/error.ts";
export type { ErrorCode } from "./core/error-catalog.ts";
export {
  type Application,
  type ApplicationDefinition,
  type ApplicationOptions,
  defineApp,
  type FetchHandler,
  type JobDefinition,
  type JobRun,
  type NodeHandler,
} from "./instance/application.ts";
export { assetUrl } from "./instance/assets.ts";
export { currentTenant, withTenant } from "./instance/context.ts";
export type {
  ListedTenantFile,
  Tenant,
  TenantCache,
  TenantDatabase,
  TenantFile,
  TenantFiles,
  TenantLog,
  TenantMail,
  TenantQueue,
} from "./instance/tenant.ts";
