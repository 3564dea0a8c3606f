import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createRegionClient } from "../../../api/region-rpc.ts";
import { type AwsAccess, createAwsClient } from "../../../aws/client.ts";
import { createRegistry } from "../../../aws/registry.ts";
import type { GlobalResources } from "../../../aws/resources.ts";
import type { RegionControl, RegionStatus } from "../../../control/region-control.ts";
import type { Config } from "../../../core/config/schema.ts";
import { RowhouseError } from "../../../core/error.ts";
import { programsDomain, regionsDomain } from "../../../core/registry/domains.ts";
import type { Registry } from "../../../ports/registry.ts";

interface RemoteRegion {
  readonly registry: Registry;
  /** Changes when the controller moves to another server. */
  readonly address: { url: string; readonly internalToken: string };
}

/** The regions that were made, as the control plane reaches their controllers. */
export class RemoteRegions {
  /** Changes as regions come and go. */
  readonly controls = new Map<string, RegionControl>();
  readonly #parts: {
    readonly access: AwsAccess;
    readonly config: Config;
    readonly internalToken: string;
  };
  readonly #registry: Registry;
  readonly #regions = new Map<string, RemoteRegion>();

  constructor(parts: {
    /** To the control plane's region. */
    readonly access: AwsAccess;
    readonly config: Config;
    readonly global: GlobalResources;
    readonly internalToken: string;
  }) {
    this.#parts = parts;
    this.#registry = createRegistry({
      client: createAwsClient(DynamoDBClient, parts.access),
      table: parts.global.registryTable,
    });
  }

  /** Looks which regions there are, and where their controllers are now. */
  async refresh(): Promise<void> {
    const items = await this.#registry.query(regionsDomain);
    for (const name of this.#regions.keys()) {
      if (!items.some((item) => item.name === name)) this.#forget(name);
    }
    await Promise.all(
      items.map(({ name, attributes }) => this.#follow(name, String(attributes.registryTable))),
    );
  }

  /** Every region of the config; of those that don't answer what can be said without them. */
  status(): Promise<RegionStatus[]> {
    return Promise.all(Object.keys(this.#parts.config.regions).map((name) => this.#statusOf(name)));
  }

  #forget(name: string): void {
    this.#regions.delete(name);
    this.controls.delete(name);
  }

  async #follow(name: string, registryTable: string): Promise<void> {
    const region = this.#regions.get(name) ?? this.#open(name, registryTable);
    const item = await region.registry.get(programsDomain, "controller");
    if (!item) return;
    region.address.url = `http://${item.attributes.address}`;
    if (!this.controls.has(name)) this.controls.set(name, createRegionClient(region.address));
  }

  #open(name: string, table: string): RemoteRegion {
    const { access, internalToken } = this.#parts;
    const client = createAwsClient(DynamoDBClient, { ...access, region: name });
    const region = {
      registry: createRegistry({ client, table }),
      address: { url: "", internalToken },
    };
    this.#regions.set(name, region);
    return region;
  }

  async #statusOf(name: string): Promise<RegionStatus> {
    const control = this.controls.get(name);
    if (!control) return this.#statusWithout(name, this.#regions.has(name) ? "starting" : "stopped");
    try {
      return await control.status();
    } catch (error) {
      if (!(error instanceof RowhouseError)) throw error;
      return this.#statusWithout(name, "down");
    }
  }

  #statusWithout(name: string, status: "starting" | "down" | "stopped"): RegionStatus {
    return {
      name,
      jurisdiction: this.#parts.config.regions[name]?.jurisdiction ?? "",
      status,
      problem: null,
      controller: { pid: null },
      balancer: { url: "", pid: null },
      databases: [],
      fleets: [],
    };
  }
}
