import { once } from "node:events";
import { connect } from "node:net";
import { type Application, defineApp } from "../../src/instance/application.ts";
import { currentTenant } from "../../src/instance/context.ts";
import { type RunningInstance, startInstance } from "../../src/instance/server.ts";
import { type Answer, type AskOptions, ask } from "./ask.ts";
import { createTestRegion, type TestRegion } from "./region.ts";

/** What programs of the platform show to a test's instance. */
export const internalToken = "internal-token";

/** An instance of the region that serves the application, on a free port unless told. */
export function startTestInstance(
  region: TestRegion,
  application: Application,
  options: Partial<Parameters<typeof startInstance>[0]> = {},
): Promise<RunningInstance> {
  return startInstance({
    application,
    platform: region.platform,
    regionPool: region.control.pool,
    regionConnection: region.connection,
    config: region.config,
    identity: { instanceId: "i-1", zone: "a", region: "eu-west-1", release: "r1" },
    listen: { host: "127.0.0.1", port: 0 },
    internalToken,
    objectsHandler: region.objectsHandler,
    logSink: () => {},
    ...options,
  });
}

/** An instance whose region has tenants in every state, and an application that shows what reaches it. */
export class InstanceTest {
  readonly region: TestRegion;
  readonly instance: RunningInstance;
  /** What the instance logged, line by line. */
  readonly log: readonly string[];
  /** Tenants whose seed ran. */
  readonly seeded: readonly string[];

  private constructor(parts: Pick<InstanceTest, "region" | "instance" | "log" | "seeded">) {
    this.region = parts.region;
    this.instance = parts.instance;
    this.log = parts.log;
    this.seeded = parts.seeded;
  }

  static async create(): Promise<InstanceTest> {
    const region = await createTestRegion();
    await region.addTenant({ slug: "acme" });
    await region.addTenant({ slug: "dense", plan: "dense" });
    await region.addTenant({ slug: "paused", state: "suspended" });
    await region.addTenant({ slug: "gone", state: "closed" });
    await region.addTenant({ slug: "going", state: "closing" });
    await region.addTenant({ slug: "coming", state: "provisioning" });
    await region.addTenant({ slug: "broken", state: "failed" });
    await region.addTenant({ slug: "abroad", region: "us-east-1" });
    await region.addTenant({ slug: "limited", plan: "limited" });
    const [log, seeded]: [string[], string[]] = [[], []];
    const application = showingApplication((slug) => seeded.push(slug));
    const instance = await startTestInstance(region, application, { logSink: (line) => log.push(line) });
    return new InstanceTest({ region, instance, log, seeded });
  }

  async dispose(): Promise<void> {
    await this.instance.stop(0);
    await this.region.dispose();
  }

  ask(
    host: string | undefined,
    path = "/",
    options: AskOptions & { readonly at?: RunningInstance } = {},
  ): Promise<Answer> {
    return ask((options.at ?? this.instance).address, host, path, options);
  }

  /** Sends these bytes and reads until the instance closes the connection. */
  async exchange(bytes: string): Promise<string> {
    const [host, port] = this.instance.address.split(":");
    const socket = connect(Number(port), host);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.write(bytes);
    await once(socket, "close");
    return answer;
  }
}

function showingApplication(onSeed: (slug: string) => void): Application {
  return defineApp({
    name: "test",
    fetch: async (request, tenant) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/fail") throw new Error("secret detail");
      if (pathname.startsWith("/cut")) {
        const work = tenant.db.transaction((client) =>
          client.query("SELECT pg_terminate_backend(pg_backend_pid())"),
        );
        await work.catch((cause: unknown) => {
          throw pathname === "/cut-and-wrapped" ? new Error("No books today", { cause }) : cause;
        });
      }
      if (pathname === "/nothing") return undefined as never;
      if (pathname === "/echo")
        return new Response(await request.text(), { status: 201, headers: { "x-own": "1" } });
      const { rows } = await tenant.db.query<{ title: string }>(
        "SELECT title FROM books ORDER BY id LIMIT 1",
      );
      return Response.json({ slug: currentTenant().slug, title: rows[0]?.title, url: request.url });
    },
    seed: async (tenant) => {
      await tenant.db.query("INSERT INTO books (title) VALUES ('seeded')");
      onSeed(currentTenant().slug);
    },
  });
}
