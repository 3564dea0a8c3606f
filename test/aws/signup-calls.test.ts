import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateHostedZoneCommand, Route53Client } from "@aws-sdk/client-route-53";
import { CreateEmailIdentityCommand, SESv2Client } from "@aws-sdk/client-sesv2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAwsClient } from "../../src/aws/client.ts";
import { createDns } from "../../src/aws/dns.ts";
import { createMail, prepareMail } from "../../src/aws/mail.ts";
import type { RegionContext } from "../../src/control/region-context.ts";
import { prepareControlSchema } from "../../src/control/schema.ts";
import { signupWorkflow } from "../../src/control/signup/workflow.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import { emptyAccount } from "../support/aws/account.ts";
import { type LoadBalancers, startLoadBalancers } from "../support/aws/load-balancers.ts";
import { resourceCall } from "../support/aws/resource-call.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { createDirectoryDatabase } from "../support/directory-database.ts";
import { migrationsOf } from "../support/migrations.ts";
import { oneServer } from "../support/one-server.ts";
import { openRegionContext } from "../support/region-context.ts";

const signups = 100;
const domain = "bookshop.example";
const config = parseConfig({
  app: "./app.ts",
  domain,
  target: "aws",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
    "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
  },
  plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
});

describe.skipIf(process.env.ROWHOUSE_AWS_REAL === "1")("the calls to AWS", () => {
  const clock = createSystemClock();
  let folder: string;
  let [pool, directoryDatabase]: TestDatabase[] = [];
  let calls: LoadBalancers;
  let contexts: ReadonlyMap<string, RegionContext>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rowhouse-signup-calls-"));
    [pool, directoryDatabase] = await Promise.all([createTestDatabase(), createDirectoryDatabase()]);
    await prepareControlSchema(pool.pool, "region");
    await prepareMail(pool.pool);
    const account = await emptyAccount();
    calls = await startLoadBalancers({ access: account });
    const access = { ...account, endpoint: calls.endpoint };
    const ses = createAwsClient(SESv2Client, access);
    await ses.send(new CreateEmailIdentityCommand({ EmailIdentity: domain }));
    const route53 = createAwsClient(Route53Client, access);
    const { HostedZone } = await route53.send(
      new CreateHostedZoneCommand({ Name: domain, CallerReference: "test" }),
    );
    const hostedZoneId = HostedZone!.Id!.replace("/hostedzone/", "");
    const keys = await createKeys({ file: join(folder, "keys.json") });
    const platform = {
      ...{ clock, keys, databases: oneServer() },
      mail: createMail({ client: ses, pool: pool.pool, clock }),
      dns: createDns({ client: route53, hostedZoneId, zone: domain, clock }),
      integrations: { notify: async () => "not-configured" as const },
    };
    const migrations = migrationsOf("CREATE TABLE a ()");
    const pools = { pool: pool.pool, directoryPool: directoryDatabase.pool };
    const open = (name: string) =>
      openRegionContext({ ...pools, name, config, platform, migrations: () => migrations });
    contexts = new Map([
      ["eu-west-1", await open("eu-west-1")],
      ["us-east-1", await open("us-east-1")],
    ]);
  }, 60_000);

  afterAll(async () => {
    const { rows } = await pool!.pool.query<{ slug: string }>("SELECT slug FROM data_locations");
    for (const { locations, tenantData, administration } of contexts.values()) {
      for (const location of await locations.findAll(rows.map(({ slug }) => slug)))
        await tenantData.drop(location);
      await tenantData.close();
      await administration.close();
    }
    await calls.stop();
    await Promise.all([pool?.drop(), directoryDatabase?.drop()]);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  /** All steps of one sign-up, by hand: what the engine of workflows itself calls is seen on the whole system. */
  async function signUp(region: string, index: number): Promise<void> {
    const slug = `${region.slice(0, 2)}-${index}`;
    const input = {
      ...{ id: slug, slug, name: slug, region, email: `owner@${slug}.example` },
      plan: index % 2 === 0 ? "starter" : "business",
    };
    const results: Record<string, unknown> = {};
    for (const step of signupWorkflow(contexts.get(region)!).steps)
      results[step.name] = await step.run(input, results);
  }

  async function signUpMany(region: string): Promise<ReadonlyMap<string, number>> {
    const count = calls.countCalls();
    const indexes = Array.from({ length: signups }, (_, index) => index).values();
    const work = async () => {
      for (const index of indexes) await signUp(region, index);
    };
    await Promise.all([work(), work(), work(), work()]);
    return count();
  }

  it(`of ${signups} sign-ups in the zone's default region are one mail each`, async () => {
    const counted = await signUpMany("eu-west-1");
    expect([...counted]).toEqual([["ses.POST", signups]]);
  }, 60_000);

  it(`of ${signups} in another region name them in the zone too, several in a call, and make nothing else`, async () => {
    const counted = await signUpMany("us-east-1");
    expect(counted.get("ses.POST")).toBe(signups);
    expect(counted.get("route53.POST")).toBeLessThanOrEqual(signups);
    const made = [...counted.keys()].filter((call) => resourceCall.test(call));
    expect(made).toEqual(["route53.POST"]);
  }, 60_000);
});
