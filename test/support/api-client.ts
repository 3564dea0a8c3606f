import { afterAll, beforeAll, beforeEach } from "vitest";
import { createTestApi, operatorToken, type TestApi } from "./api.ts";
import { ConformingClient } from "./conforming-client.ts";
import type { MemoryRegion } from "./memory-region.ts";

/** For all tests of a file: an API on regions in memory, which answer again before each test. */
export function apiClientTest(): ApiClientTest {
  const api = new ApiClientTest();
  beforeAll(() => api.open());
  beforeEach(() => api.reset());
  afterAll(() => api.close());
  return api;
}

/** The API, and a client on it that holds every answer to the description. */
class ApiClientTest {
  #parts: { readonly test: TestApi; readonly client: ConformingClient } | undefined;
  readonly call: ConformingClient["call"] = (request, options) => this.#opened.client.call(request, options);

  get #opened() {
    if (!this.#parts) throw new Error("The API is there once the tests have begun.");
    return this.#parts;
  }

  get directory(): TestApi["directory"] {
    return this.#opened.test.directory;
  }

  get ireland(): MemoryRegion {
    return this.#opened.test.regions.get("eu-west-1") as MemoryRegion;
  }

  /** Past the client, and so without its token. */
  async request(path: string, options?: RequestInit): Promise<Response> {
    return this.#opened.test.api.request(path, options);
  }

  async open(): Promise<void> {
    const test = await createTestApi();
    this.#parts = { test, client: await ConformingClient.create(test.api, operatorToken) };
  }

  async close(): Promise<void> {
    await this.#parts?.test.dispose();
  }

  /** All regions answer, and come to the end of what they begin. */
  reset(): void {
    for (const region of this.#opened.test.regions.values()) {
      region.down = false;
      region.signups.automatic = true;
      region.signups.failingStep = undefined;
    }
  }

  /** A new tenant's slug. */
  async createTenant(changes: Record<string, unknown> = {}): Promise<string> {
    const { status, body } = await this.call("POST /v1/tenants?wait=1", {
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
