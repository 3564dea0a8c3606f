/** What an application's own tests import: a real tenant, in milliseconds. */
import { parseConfig } from "../core/config/parse.ts";
import type { Config, ConfigInput } from "../core/config/schema.ts";
import { fault } from "../core/error.ts";
import type { Application } from "../instance/application.ts";
import type { Tenant } from "../instance/tenant.ts";
import type { MailRecord } from "../ports/mail.ts";
import { ask } from "./ask.ts";
import type { TestInstance } from "./instance.ts";
import { sharedInstance } from "./shared-instance.ts";
import { makeTenant } from "./tenants.ts";

export interface TestTenantOptions {
  /** The company's name; its slug begins with it. Default: "Test tenant". */
  readonly name?: string;
  /** Of the config's plans; default: the first. */
  readonly plan?: string;
  /** Of the config's regions; default: the first. */
  readonly region?: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Whether the application's seed runs; default: true. */
  readonly seed?: boolean;
  /** What `migrations` and `assets` are relative to; default: the folder of the module that called `defineApp`. */
  readonly folder?: string;
  /**
   * The application's config, for its plans, regions and domain. Without one, any plan and region will do, and the
   * plan has schema isolation. A plan with a server of its own gets a database of its own instead; a plan's limit of
   * requests holds in tests too; and mail is kept in the outbox, whatever the config says.
   */
  readonly config?: ConfigInput;
}

/** A tenant of a test's own: everything that the application gets, and what only a test may do. */
export interface TestTenant extends Tenant {
  /** Its address, as in `http://test-tenant-1f0c22d4.localhost:40123`, for a browser. */
  readonly url: string;
  /** Asks the application as its people do, over HTTP. A redirect is an answer, and is not followed. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Runs `work` with the tenant as the current one. */
  run<T>(work: (tenant: Tenant) => T | Promise<T>): Promise<T>;
  /** Its mail, newest first; none of it is sent. */
  outbox(): Promise<readonly MailRecord[]>;
  /** Removes the tenant. Call it under `node --test`, which waits until nothing is open any more. */
  close(): Promise<void>;
}

/**
 * Makes a tenant of the application, with its migrations and seed, on a real Postgres and a real instance that both
 * are this process's alone. The first call of a process starts them (0.2 to 0.3 s; about 2 s more the very first
 * time on a machine), the next ones take 20 to 40 ms. Everything ends with the process.
 * @throws E_APP_INVALID, E_CONFIG, E_PLAN_UNKNOWN, E_REGION_UNKNOWN, E_MIGRATION_FAILED, and whatever the seed throws
 */
export async function testTenant(
  application: Application,
  options: TestTenantOptions = {},
): Promise<TestTenant> {
  const config = configOf(options);
  const [regionName = ""] = options.region === undefined ? Object.keys(config.regions) : [options.region];
  const [plan = ""] = options.plan === undefined ? Object.keys(config.plans) : [options.plan];
  if (!Object.hasOwn(config.regions, regionName))
    throw fault("E_REGION_UNKNOWN", `The configuration names no region "${regionName}".`);
  const folder = options.folder ?? application.folder;
  const shared = sharedInstance({ application, config, regionName, folder });
  const instance = await shared.acquire();
  try {
    const { name = "Test tenant", settings = {}, seed = true } = options;
    const made = await makeTenant(instance, { name, plan, region: regionName, settings, seed });
    let closing: Promise<void> | undefined;
    return toTestTenant(await instance.running.runtime.resolve(made.slug), instance, () => {
      closing ??= made.remove().finally(() => shared.release());
      return closing;
    });
  } catch (error) {
    await shared.release();
    throw error;
  }
}

function configOf({ config, plan = "test", region: regionName = "test" }: TestTenantOptions): Config {
  return parseConfig(
    config ?? {
      app: "./app.ts",
      domain: "tenants.example",
      regions: { [regionName]: { jurisdiction: "test", zones: ["a", "b"] } },
      plans: { [plan]: { isolation: "schema" } },
    },
  );
}

function toTestTenant(tenant: Tenant, instance: TestInstance, close: () => Promise<void>): TestTenant {
  const { address, running, region } = instance;
  const url = `http://${tenant.slug}.localhost:${address.port}`;
  const more: Pick<TestTenant, "url" | "request" | "run" | "outbox" | "close"> = {
    url,
    request: async (path, init) => ask(address, ownAddress(path, url), init),
    run: (work) => running.runtime.run(tenant.slug, work),
    outbox: () => region.data.platform.mail.outbox({ tenant: tenant.slug }),
    close,
  };
  // Descriptors, because the tenant's database URL is a getter that follows its server.
  return Object.defineProperties(
    {},
    { ...Object.getOwnPropertyDescriptors(tenant), ...Object.getOwnPropertyDescriptors(more) },
  ) as TestTenant;
}

function ownAddress(path: string, url: string): URL {
  const address = new URL(path, url);
  if (address.origin === url) return address;
  throw fault("E_ARGUMENT", `The request for ${path} is none for the tenant.`, {
    remedy: "Pass a path, as in `/books`.",
  });
}
