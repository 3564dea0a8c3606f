import { createTestApi, operatorToken, type TestApi } from "./api.ts";
import { ConformingClient } from "./conforming-client.ts";
import type { MemoryRegion } from "./memory-region.ts";

/** The API, a client on it that holds every answer to the description. */
export class ApiClientTest {
  readonly test: TestApi;
  readonly client: ConformingClient;
  readonly ireland: MemoryRegion;

  private constructor(test: TestApi, client: ConformingClient) {
    this.test = test;
    this.client = client;
    this.ireland = test.regions.get("eu-west-1") as MemoryRegion;
  }

  static async create(): Promise<ApiClientTest> {
    const test = await createTestApi();
    return new ApiClientTest(test, await ConformingClient.create(test.api, operatorToken));
  }

  /** All regions answer, and come to the end of what they begin. */
  reset(): void {
    for (const region of this.test.regions.values()) {
      region.down = false;
      region.signups.automatic = true;
      region.signups.failingStep = undefined;
    }
  }

  /** A new tenant's slug. */
  async createTenant(changes: Record<string, unknown> = {}): Promise<string> {
    const { status, body } = await this.client.call("POST /v1/tenants?wait=1", {
      body: signup(changes),
    });
    if (status !== 201) throw new Error(`The sign-up was answered with ${status}: ${JSON.stringify(body)}`);
    return body.slug as string;
  }
}

let count = 0;

/** The body of a sign-up in `eu-west-1`, with a slug that no other one of this test file has. */
export function signup(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const slug = `tenant-${++count}`;
  return {
    slug,
    name: `Tenant ${count}`,
    region: "eu-west-1",
    plan: "starter",
    email: `ada@${slug}.example`,
    ...changes,
  };
}
