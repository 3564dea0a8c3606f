import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import {
  DescribeLoadBalancersCommand,
  ElasticLoadBalancingV2Client,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { Agent, fetch as fetchWith } from "undici";
import type { AwsAccess } from "../../../src/aws/client.ts";
import { createAwsClient } from "../../../src/aws/client.ts";
import { requireSecret } from "../../../src/aws/control-login.ts";
import { createS3Client } from "../../../src/aws/data-platform.ts";
import { readRegionDocument } from "../../../src/aws/document.ts";
import { awsNames } from "../../../src/aws/resources.ts";
import type { StatusDocument } from "../../../src/control/status.ts";
import { parseConfig } from "../../../src/core/config/parse.ts";
import type { Config, ConfigInput } from "../../../src/core/config/schema.ts";
import { type CliResult, repository, runCli, type TestSystem } from "../system.ts";
import { emptyAccount, testPrefix } from "./account.ts";
import { type CacheCluster, createCacheTls, startCacheCluster } from "./cache-cluster.ts";
import { type DatabasePlane, startDatabasePlane } from "./database-plane.ts";
import { deployToEmulator } from "./deploy.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { type LoadBalancers, startLoadBalancers } from "./load-balancers.ts";
import { type Machines, startMachines } from "./machines.ts";
import { resolveInZone } from "./zone-resolver.ts";

const regions = ["eu-west-1", "us-east-1"] as const;
/** CloudFront's stack is there whatever the config says. */
const controlRegion = regions[0];
const domain = "bookshop.example";
const startMilliseconds = 180_000;

/** The emulated account's data planes. */
interface Planes {
  readonly emulator: Emulator;
  readonly access: AwsAccess;
  readonly databases: DatabasePlane;
  readonly cache: CacheCluster;
  readonly balancers: LoadBalancers;
  readonly machines: readonly Machines[];
}

/**
 * A whole Rowhouse with target "aws" in an account of the emulator, deployed as its operator does. What the emulator
 * only keeps records of is there for real: Postgres servers, a cache cluster, load balancers, and machines that boot
 * from their user data. Nothing is told to the system of these but what AWS would tell.
 */
export class AwsSystem implements TestSystem {
  readonly domain = domain;
  readonly mailStatus = "sent";
  readonly remainders = [
    "rows in the backups that the database engine makes of whole servers",
    "messages in the queue, which are acknowledged unread",
  ];
  readonly #folder: string;
  readonly #config: Config;
  readonly #configFile: string;
  readonly #planes: Planes;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #balancerUrls = new Map<string, string>();
  #apiUrl = "";
  #token = "";
  #hostedZoneId = "";

  private constructor(parts: {
    readonly folder: string;
    readonly config: Config;
    readonly planes: Planes;
    readonly environment: Readonly<Record<string, string>>;
  }) {
    this.#folder = parts.folder;
    this.#config = parts.config;
    this.#configFile = join(parts.folder, "rowhouse.config.ts");
    this.#planes = parts.planes;
    this.#environment = parts.environment;
  }

  /** Starts the data planes and deploys the bookshop into an empty account. */
  static async deploy(): Promise<AwsSystem> {
    const folder = await mkdtemp(join(tmpdir(), "rowhouse-aws-"));
    // Of its own: it answers one call after the other, and a whole system makes many.
    const emulator = await startEmulator();
    const account = await emptyAccount(controlRegion, emulator.endpoint);
    const balancers = await startLoadBalancers({ access: account, regions: [...regions] });
    const access = { ...account, endpoint: balancers.endpoint };
    const databases = await startDatabasePlane({
      accesses: regions.map((region) => ({ ...access, region })),
    });
    const tls = await createCacheTls(folder);
    const cache = await startCacheCluster({ tls });
    const authorities = join(folder, "authorities.pem");
    await writeFile(authorities, `${databases.authority.pem}\n${tls.authority}\n`);
    const network = {
      NODE_OPTIONS: `--import ${pathToFileURL(join(repository, "test/support/aws/names.ts"))}`,
      ROWHOUSE_TEST_NAMES: databases.namesFile,
      NODE_EXTRA_CA_CERTS: authorities,
    };
    const machines = await Promise.all(
      regions.map(async (region) => {
        const workFolder = join(folder, region);
        await mkdir(workFolder);
        return startMachines({ access: { ...access, region }, workFolder, environment: network });
      }),
    );
    const input = bookshopConfig();
    await writeFile(join(folder, "rowhouse.config.ts"), `export default ${JSON.stringify(input)};\n`);
    const system = new AwsSystem({
      folder,
      config: parseConfig(input),
      planes: { emulator, access, databases, cache, balancers, machines },
      environment: { ...network, ...credentialsOf(access) },
    });
    try {
      await system.#deploy();
    } catch (error) {
      await system.dispose();
      throw error;
    }
    return system;
  }

  get entrances(): readonly string[] {
    return [this.balancerUrl(regions[0])];
  }

  balancerUrl(region: string): string {
    return this.#balancerUrls.get(region) ?? "";
  }

  /** How often AWS was called since then, by call. */
  countCalls(): () => ReadonlyMap<string, number> {
    return this.#planes.balancers.countCalls();
  }

  cli(...args: string[]): Promise<CliResult> {
    const words = [...args, "--config", this.#configFile, "--state-dir", join(this.#folder, "state")];
    return runCli(words, {
      ...this.#environment,
      ...(this.#apiUrl ? { ROWHOUSE_API_URL: this.#apiUrl } : {}),
    });
  }

  async json<T>(...args: string[]): Promise<T> {
    const result = await this.cli(...args, "--json");
    if (result.code !== 0) throw new Error(`rowhouse ${args.join(" ")}: ${result.stdout}${result.stderr}`);
    return result.json<T>();
  }

  status(): Promise<StatusDocument> {
    return this.json<StatusDocument>("status");
  }

  api(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#token}`, "content-type": "application/json" };
    return fetch(`${this.#apiUrl}${path}`, { ...init, headers: { ...headers, ...init.headers } });
  }

  /** Where the name leads by the hosted zone, unless `at` says otherwise. */
  async tenant(
    slug: string,
    path: string,
    init: RequestInit & { readonly at?: string } = {},
  ): Promise<Response> {
    const { at, ...rest } = init;
    const host = `${slug}.${domain}`;
    const base = at ?? (await this.#resolve(host));
    const { hostname, port } = new URL(base);
    const dispatcher = new Agent({
      connect: { lookup: (_host, _options, done) => done(null, [{ address: hostname, family: 4 }]) },
    });
    const answer = fetchWith(`http://${host}:${port}${path}`, { ...(rest as object), dispatcher });
    return answer as unknown as Promise<Response>;
  }

  async dispose(): Promise<void> {
    const { emulator, machines, databases, cache, balancers } = this.#planes;
    await Promise.all(machines.map((ofRegion) => ofRegion.stop()));
    await Promise.all([databases.stop(), cache.stop()]);
    // All of them watch the emulator through its address.
    await balancers.stop();
    await emulator.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What the programs of all machines wrote, for a test that fails. */
  async logs(): Promise<string> {
    const machines = this.#planes.machines.flatMap((ofRegion) => ofRegion.list());
    const texts = machines.map(
      async ({ logFile }) => `== ${logFile}\n${await readFile(logFile, "utf8").catch(() => "")}`,
    );
    return (await Promise.all(texts)).join("\n");
  }

  async #deploy(): Promise<void> {
    const { access, cache, balancers } = this.#planes;
    const config = this.#config;
    const { prefix } = config.aws;
    const deployment = await deployToEmulator({
      ...{ access, config, folder: this.#folder },
      cacheEndpoint: cache.endpoint,
    });
    const { hostedZoneId } = await deployment.global();
    this.#hostedZoneId = hostedZoneId;
    const secrets = createAwsClient(SecretsManagerClient, access);
    this.#token = await requireSecret(secrets, awsNames.operatorToken(prefix));
    this.#apiUrl = await this.#balancerUrlOf(controlRegion, `${prefix}-control`);
    for (const region of regions) {
      const bucket = awsNames.bucket(prefix, region, deployment.accountId);
      const { resources } = await readRegionDocument(createS3Client({ ...access, region }), bucket);
      this.#balancerUrls.set(region, await balancers.url(resources.loadBalancer.dnsName));
    }
    await this.#untilServing();
  }

  async #untilServing(): Promise<void> {
    for (const deadline = Date.now() + startMilliseconds; ; await sleep(500)) {
      const status = await this.#statusIfAny();
      const ready = status?.regions.filter((region) => region.status === "ready") ?? [];
      if (regions.every((name) => ready.some((region) => region.name === name))) break;
      if (Date.now() > deadline)
        throw new Error(`The regions don't serve: ${JSON.stringify(status)}\n${await this.logs()}`);
    }
    for (const name of regions) {
      const opened = await this.api("/v1/regions", { method: "POST", body: JSON.stringify({ name }) });
      if (!opened.ok) throw new Error(`${name} is not opened: ${await opened.text()}`);
    }
  }

  async #statusIfAny(): Promise<StatusDocument | undefined> {
    try {
      const response = await this.api("/v1/status");
      return response.ok ? ((await response.json()) as StatusDocument) : undefined;
    } catch {
      return undefined;
    }
  }

  async #balancerUrlOf(region: string, namePrefix: string): Promise<string> {
    const client = createAwsClient(ElasticLoadBalancingV2Client, { ...this.#planes.access, region });
    const { LoadBalancers = [] } = await client.send(new DescribeLoadBalancersCommand({}));
    const found = LoadBalancers.find(({ LoadBalancerName }) => LoadBalancerName?.startsWith(namePrefix));
    return this.#planes.balancers.url(found?.DNSName ?? "");
  }

  async #resolve(host: string): Promise<string> {
    const name = await resolveInZone(this.#planes.access, { hostedZoneId: this.#hostedZoneId, domain }, host);
    return this.#planes.balancers.url(name);
  }
}

/** The bookshop's config for AWS, under a prefix of its own. */
function bookshopConfig(): ConfigInput {
  return {
    app: join(repository, "examples/bookshop/app.ts"),
    domain,
    target: "aws",
    regions: {
      "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"], recovery: "eu-central-1" },
      "eu-central-1": { jurisdiction: "EU", zones: ["a", "b"], start: false },
      "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
    },
    plans: {
      starter: { isolation: "schema", requestsPerSecond: 50 },
      business: { isolation: "database", requestsPerSecond: 500 },
      enterprise: { isolation: "server" },
    },
    aws: { prefix: testPrefix() },
  };
}

function credentialsOf({ endpoint = "", credentials, region }: AwsAccess): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials?.accessKeyId ?? "",
    AWS_SECRET_ACCESS_KEY: credentials?.secretAccessKey ?? "",
    AWS_SESSION_TOKEN: credentials?.sessionToken ?? "",
  };
}
